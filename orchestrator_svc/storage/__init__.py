"""The orchestrator's rows."""
