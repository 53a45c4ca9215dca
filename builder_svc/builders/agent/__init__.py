"""The builder `agent`: coding agents' command lines, in the sandbox, with a way to the named hosts only."""
