"""What the auditor keeps: audits by what went into them, and which request had which."""
