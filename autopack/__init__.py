"""Autopack: a governed assembly line that takes a plan and a git repository to landed commits."""

__version__ = "0.1.0"
