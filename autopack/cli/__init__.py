"""The `autopack` command."""
