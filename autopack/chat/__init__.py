"""Conversations with models, over the official SDKs: what builders and reviewers share of it."""
