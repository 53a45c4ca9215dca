"""Blind judging: tests whose expectations never enter the process that runs them."""
