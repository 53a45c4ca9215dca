"""What of a change is read: what it touches, and nothing that is too large."""

from pathlib import Path

import pytest

from auditor_svc import changes
from auditor_svc.changes import MAXIMUM_FILE_BYTES, read_change
from auditor_svc.domain.change import Change
from autopack.gitstore.store import GitStore
from autopack.testing.repositories import Files, make_commit


@pytest.fixture
def store(tmp_path: Path) -> GitStore:
    return GitStore.open(tmp_path / "project.git")


def read(store: GitStore, base: Files, head: Files) -> Change:
    before = make_commit(store, base)
    return read_change(store, before, make_commit(store, head, before))


def test_a_new_file_has_no_old_version(store: GitStore) -> None:
    [item] = read(store, {}, {"a.py": b"new"}).files
    assert (item.path, item.new, item.old_path, item.old) == ("a.py", b"new", "", None)


def test_a_changed_file_has_both_versions(store: GitStore) -> None:
    [item] = read(store, {"a.py": b"old", "b.py": b"same"}, {"a.py": b"new", "b.py": b"same"}).files
    assert (item.new, item.old_path, item.old) == (b"new", "a.py", b"old")


def test_a_renamed_file_has_its_old_version(store: GitStore) -> None:
    text = b"".join(b"%d\n" % number for number in range(50))
    [item] = read(store, {"a.py": text}, {"c/b.py": text + b"x\n"}).files
    assert (item.path, item.old_path, item.old) == ("c/b.py", "a.py", text)


def test_a_removed_file_is_nothing_to_audit(store: GitStore) -> None:
    assert read(store, {"a.py": b"old"}, {}).files == ()


def test_a_change_of_mode_alone_is_nothing_to_audit(store: GitStore) -> None:
    assert read(store, {"a.py": b"x"}, {"a.py": (0o100755, b"x")}).files == ()


def test_links_and_submodules_are_passed_over(store: GitStore) -> None:
    change = read(store, {}, {"link": (0o120000, b"/etc/passwd"), "module": (0o160000, b"1" * 20)})
    assert change.files == ()
    assert change.unread == ()


def test_a_link_that_becomes_a_file_is_new(store: GitStore) -> None:
    [item] = read(store, {"a": (0o120000, b"target")}, {"a": b"text"}).files
    assert item.old is None


def test_a_file_that_is_too_large_is_unread(store: GitStore) -> None:
    change = read(store, {}, {"big.py": b"x" * (MAXIMUM_FILE_BYTES + 1), "a.py": b"x"})
    assert [item.path for item in change.files] == ["a.py"]
    assert [(item.path, item.code) for item in change.unread] == [("big.py", "FILE_TOO_LARGE_TO_AUDIT")]


def test_a_file_whose_old_version_is_too_large_is_new(store: GitStore) -> None:
    [item] = read(store, {"a.py": b"x" * (MAXIMUM_FILE_BYTES + 1)}, {"a.py": b"x"}).files
    assert item.old is None


def test_a_change_is_read_up_to_a_size(store: GitStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "MAXIMUM_CHANGE_BYTES", 25)
    change = read(store, {}, {f"{name}.py": name.encode() * 10 for name in "abc"})
    assert [item.path for item in change.files] == ["a.py", "b.py"]
    assert [item.path for item in change.unread] == ["c.py"]
