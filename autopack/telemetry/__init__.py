"""Traces, metrics and logs of all services, under names that are written down once."""
