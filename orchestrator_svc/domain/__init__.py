"""What the orchestrator knows, in plain Python: states, the landing train, commits, budgets."""
