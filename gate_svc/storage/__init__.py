"""What the gate keeps: judgements by request id, and results of checks."""
