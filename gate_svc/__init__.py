"""The Quality Gate: policy, sandboxed checks, baseline and verdict."""
