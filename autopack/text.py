"""Words about numbers."""


def counted(count: int, noun: str) -> str:
    """A number with its noun: 1 phase, 2 phases."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
