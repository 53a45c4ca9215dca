"""The search itself: runs inside the sandbox, beside the project's code, and imports nothing of Autopack."""
