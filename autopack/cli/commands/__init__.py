"""The work behind each command, imported when it is asked for."""
