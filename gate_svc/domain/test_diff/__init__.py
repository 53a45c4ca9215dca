"""Tests understood by what they assert, so that moving them is told from losing them."""
