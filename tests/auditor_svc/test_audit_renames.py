"""Which removed file an added one was."""

from auditor_svc.domain.renames import find_renames

_TEXT = b"".join(b"line %d\n" % number for number in range(20))


def test_identical_contents_are_a_rename() -> None:
    assert find_renames({"old.py": _TEXT}, {"new.py": _TEXT}) == {"new.py": "old.py"}


def test_similar_contents_are_a_rename() -> None:
    assert find_renames({"old.py": _TEXT}, {"new.py": _TEXT + b"more\n"}) == {"new.py": "old.py"}


def test_different_contents_are_no_rename() -> None:
    assert find_renames({"old.py": _TEXT}, {"new.py": b"something else\n" * 20}) == {}


def test_a_removed_file_is_the_source_of_one_rename() -> None:
    assert find_renames({"old.py": _TEXT}, {"a.py": _TEXT, "b.py": _TEXT}) == {"a.py": "old.py"}


def test_the_most_similar_file_is_chosen() -> None:
    removed = {"far.py": _TEXT[:90] + b"x\n" * 10, "near.py": _TEXT}
    assert find_renames(removed, {"new.py": _TEXT + b"more\n"}) == {"new.py": "near.py"}


def test_empty_files_are_no_renames() -> None:
    assert find_renames({"old.py": b""}, {"new.py": b""}) == {}


def test_many_files_are_compared_by_identity_alone() -> None:
    removed = {f"old{number}.py": _TEXT + b"%d\n" % number for number in range(150)}
    added = {f"new{number}.py": _TEXT + b"%d\n" % number for number in range(150)}
    added["near.py"] = _TEXT
    renames = find_renames(removed, added)
    assert renames["new7.py"] == "old7.py"
    assert "near.py" not in renames
