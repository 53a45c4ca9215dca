"""Which files hold tests."""

from pathlib import PurePosixPath


def is_test_file(path: str) -> bool:
    """Whether pytest or unittest looks for tests in a file of this name."""
    name = PurePosixPath(path).name
    return name.endswith(".py") and (name.startswith("test") or name.endswith("_test.py"))
