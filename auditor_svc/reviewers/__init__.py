"""Models that read changes: blind, without tools, and believed only in what they add."""
