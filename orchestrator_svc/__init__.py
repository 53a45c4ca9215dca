"""The orchestrator: runs, phases, attempts, approvals and landing."""
