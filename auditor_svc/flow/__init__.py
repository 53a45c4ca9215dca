"""Follows untrusted data through Python source, by rules that are data: see `rules/*.yaml`."""
