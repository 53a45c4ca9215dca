"""The end of what a command prints, in bounded memory however much it is."""


class Tail:
    """Keeps the last `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept = bytearray()
        self.total = 0
        """Bytes seen."""

    def add(self, data: bytes) -> None:
        """Append; older bytes beyond the limit go."""
        self.total += len(data)
        self._kept += data
        if len(self._kept) > 2 * self._limit + 65536:
            del self._kept[: len(self._kept) - self._limit]

    def value(self) -> bytes:
        """The last `limit` bytes."""
        return bytes(self._kept[max(0, len(self._kept) - self._limit) :])

    @property
    def truncated(self) -> bool:
        """Whether the beginning is gone."""
        return self.total > self._limit
