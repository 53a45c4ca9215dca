"""What a change is asked beyond its tests: mutants of it, and its calls elsewhere and with other inputs."""
