"""The ledgers' format, and the proof that a new version only adds to the one before it."""
