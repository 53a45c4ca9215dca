"""Cuts a document into passages that follow its lines, each with the title on top."""

from collections.abc import Iterator, Sequence

OVERLAP = 150
"""Characters that a passage repeats from the one before it."""


FIELDS = ("\n- **", "\n", " ")
"""Where a document is cut: before a field, else after a line, else between words."""


def chunk(
    title: str, body: str, limit: int, overlap: int = OVERLAP, marks: Sequence[str] = FIELDS
) -> tuple[str, ...]:
    """Passages of at most `limit` characters, at least 40; together they hold the whole body, in order.

    A passage ends before the first of the marks that is in its second half.
    """
    title = title[: limit // 3].rstrip()
    head = f"{title}\n" if title else ""
    room = limit - len(head)
    return tuple(
        (head + piece).strip() for piece in _pieces(body.strip(), room, min(overlap, room // 4), marks)
    ) or ((title,) if title else ())


def _pieces(body: str, room: int, overlap: int, marks: Sequence[str]) -> Iterator[str]:
    start = 0
    while start < len(body):
        end = _end(body, start, room, marks)
        yield body[start:end]
        if end == len(body):
            return
        # A cut lies in the second half of the room and the overlap is a quarter of it at most,
        # so the next passage always begins later than this one did.
        begin = end - overlap
        word = body.find(" ", begin, end)
        start = word + 1 if word >= 0 else begin


def _end(body: str, start: int, room: int, marks: Sequence[str]) -> int:
    end = start + room
    if end >= len(body):
        return len(body)
    for mark in marks:
        cut = body.rfind(mark, start + room // 2, end)
        if cut >= 0:
            return cut + 1
    return end
