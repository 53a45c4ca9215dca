"""The Auditor: a change in, findings out. It decides nothing about landing."""
