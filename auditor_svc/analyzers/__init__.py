"""Who looks at a change: each scanner here runs one or more analyzers and reports what they saw."""
