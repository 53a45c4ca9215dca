"""Which symbolic links stay inside a tree."""


def stays_inside(path: bytes, target: bytes) -> bool:
    """Whether a link at `path` leads to something in its tree, whatever other links are on the way.

    A `..` may only stand at the start of the target: after a name, which can be a link itself, it would lead
    anywhere. Nothing in a `.git` counts as inside.
    """
    parts = [part for part in target.split(b"/") if part not in (b"", b".")]
    rise = 0
    while rise < len(parts) and parts[rise] == b"..":
        rise += 1
    return (
        bool(target)
        and len(target) <= 4095
        and b"\0" not in target
        and not target.startswith(b"/")
        and rise <= path.count(b"/")
        and b".." not in parts[rise:]
        and all(part.lower() != b".git" for part in parts)
    )
