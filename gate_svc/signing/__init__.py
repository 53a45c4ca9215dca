"""The gate's key, in a process of its own."""
