"""The Builder service: a phase in, one commit out; nothing here decides whether it lands."""
