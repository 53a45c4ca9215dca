"""Packs: what is lacking goes, whole and sound comes in, and nothing is left of what is refused."""

import hashlib
import struct
import subprocess
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autopack.errors import AutopackError, InvalidInput, NotFound, ResourceExhausted
from autopack.gitstore import pack_receiver
from autopack.gitstore.objects import serialize_tree
from autopack.gitstore.pack_format import BLOB, COMMIT, TAG, TREE, write_pack
from autopack.gitstore.packs import PackReceiver, make_pack, receive_pack
from autopack.gitstore.store import GitStore
from autopack.testing.repositories import Files, make_commit, make_tree

PERSON = b"A <a@b> 1 +0000"


@pytest.fixture
def store(tmp_path: Path) -> GitStore:
    return GitStore.open(tmp_path / "store.git")


@pytest.fixture
def other(tmp_path: Path) -> GitStore:
    return GitStore.open(tmp_path / "other.git")


@pytest.fixture(params=["small", "large"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packs are taken in process, or all by git."""
    if request.param == "large":
        monkeypatch.setattr(pack_receiver, "SMALL_PACK_OBJECTS", 0)


def files_in(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


def pack_of(objects: Iterable[tuple[int, bytes]]) -> bytes:
    found = list(objects)
    return b"".join(write_pack(len(found), found))


def blob_id(data: bytes) -> bytes:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).digest()


def entry(mode: bytes, name: bytes, oid: bytes) -> bytes:
    return b"%b %b\0%b" % (mode, name, oid)


def git_pack(store: GitStore, *revisions: str) -> bytes:
    """A pack as git makes it: thin and with deltas."""
    command = ["git", "--git-dir", str(store.path), "pack-objects", "--stdout", "--revs", "--thin", "-q"]
    return subprocess.run(
        command, input="\n".join(revisions).encode(), check=True, capture_output=True
    ).stdout


@pytest.mark.usefixtures("way")
def test_a_commit_arrives_with_its_whole_tree(store: GitStore, other: GitStore) -> None:
    files: Files = {"a/b/c": b"1", "d": b"2", "link": (0o120000, b"d"), "sub": (0o160000, b"\1" * 20)}
    commit = make_commit(store, files, "1" * 40)

    count = receive_pack(other, make_pack(store, [commit], []))
    assert count == 1 + 3 + 3
    assert list(other.entries(commit)) == list(store.entries(commit))
    assert other.read(commit, "a/b/c") == b"1"
    assert not list(other.path.glob("incoming-*"))


def test_only_what_is_lacking_is_sent(store: GitStore, other: GitStore) -> None:
    base = make_commit(store, {f"d{number}/f{number}": b"%d" % number for number in range(50)})
    head = make_commit(store, {**{f"d{n}/f{n}": b"%d" % n for n in range(50)}, "d7/new": b"x"}, base)
    receive_pack(other, make_pack(store, [base], []))

    # The commit, the root, the directory, the file.
    assert receive_pack(other, make_pack(store, [head], [base])) == 4
    assert other.read(head, "d7/new") == b"x"
    assert receive_pack(other, make_pack(store, [head], [head])) == 0
    assert receive_pack(other, make_pack(store, [head, base], ["1" * 40, base])) == 4


def test_history_is_not_sent(store: GitStore, other: GitStore) -> None:
    first = make_commit(store, {"a": b"1"})
    second = make_commit(store, {"a": b"2"}, first)

    receive_pack(other, make_pack(store, [second], []))
    assert other.has(second)
    assert not other.has(first)


def test_a_commit_that_is_not_there_is_refused_before_anything_is_sent(store: GitStore) -> None:
    with pytest.raises(NotFound, match="OBJECT_NOT_FOUND"):
        make_pack(store, ["1" * 40], [])


def test_many_objects_go_and_come_by_git(store: GitStore, other: GitStore) -> None:
    commit = make_commit(store, {f"d{number % 30}/f{number}": b"%d" % number for number in range(1200)})

    assert receive_pack(other, make_pack(store, [commit], [])) == 1200 + 30 + 2
    assert list(other.entries(commit)) == list(store.entries(commit))
    assert len(list((other.path / "objects/pack").glob("*.pack"))) == 1
    assert not list(other.path.glob("incoming-*"))


@pytest.mark.usefixtures("way")
def test_what_git_packs_with_deltas_is_read(store: GitStore, other: GitStore) -> None:
    text = b"".join(b"line %d\n" % number for number in range(2000))
    base = make_commit(store, {"a": text, "b": text + b"b"})
    head = make_commit(store, {"a": text[:9000] + b"changed\n" + text[9000:], "b": b"b" + text}, base)

    receive_pack(other, [git_pack(store, base)])
    thin = git_pack(store, head, f"^{base}")
    assert len(thin) < 600
    receive_pack(other, [thin[:100], thin[100:]])
    assert other.diff(base, head) == store.diff(base, head)
    assert other.read(head, "b") == b"b" + text


GOOD = blob_id(b"x")
HOSTILE_TREES = {
    "dot git": entry(b"100644", b".git", GOOD),
    "dot git in another case": entry(b"40000", b".GiT", b"\1" * 20),
    "dot git for hfs": entry(b"100644", ".g\u200cit".encode(), GOOD),
    "dot git for ntfs": entry(b"100644", b"git~1", GOOD),
    "dot git as a stream": entry(b"100644", b".git::$INDEX_ALLOCATION", GOOD),
    "dot git and a blank": entry(b"100644", b".git ", GOOD),
    "dot git behind a backslash": entry(b"100644", b"x\\.git\\y", GOOD),
    "dot": entry(b"100644", b".", GOOD),
    "dot dot": entry(b"40000", b"..", GOOD),
    "a slash": entry(b"100644", b"a/b", GOOD),
    "no name": entry(b"100644", b"", GOOD),
    "twice the same": entry(b"100644", b"a", GOOD) * 2,
    "file and directory of one name": entry(b"100644", b"a", GOOD)
    + entry(b"100644", b"a.b", GOOD)
    + entry(b"40000", b"a", hashlib.sha1(b"tree 0\0").digest()),
    "out of order": entry(b"100644", b"b", GOOD) + entry(b"100644", b"a", GOOD),
    "a mode that is none": entry(b"100777", b"a", GOOD),
    "the null id": entry(b"100644", b"a", bytes(20)),
    "a missing object": entry(b"100644", b"a", b"\7" * 20),
    "a file that is a directory": entry(b"40000", b"a", GOOD),
    "cut short": entry(b"100644", b"a", GOOD)[:-1],
    "no tree at all": b"nonsense",
}


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("name", HOSTILE_TREES)
def test_trees_that_fsck_would_refuse_leave_nothing_behind(store: GitStore, name: str) -> None:
    data = HOSTILE_TREES[name]
    tree = hashlib.sha1(b"tree %d\0" % len(data) + data).hexdigest().encode()
    commit = b"tree %b\nauthor %b\ncommitter %b\n\nm\n" % (tree, PERSON, PERSON)
    pack = pack_of([(COMMIT, commit), (TREE, data), (BLOB, b"x"), (TREE, b"")])
    before = files_in(store.path)

    with pytest.raises(InvalidInput, match="PACK_INVALID"):
        receive_pack(store, [pack])
    assert files_in(store.path) == before


def test_the_hostile_trees_are_such_for_fsck(tmp_path: Path) -> None:
    """What the table above has is what git itself complains of."""
    for name, data in HOSTILE_TREES.items():
        store = GitStore.open(tmp_path / f"{name}.git")
        store.write_blob(b"x")
        store.write_tree(b"")
        tree = store.write_tree(data).hex()
        command = ["git", "--git-dir", str(store.path), "fsck", "--strict", tree]
        done = subprocess.run(command, capture_output=True, check=False)
        assert done.returncode or b"badFilemode" in done.stderr, name


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    "objects",
    [
        [(COMMIT, b"tree " + b"1" * 40 + b"\nauthor a\ncommitter b\n\nm\n")],
        [(COMMIT, b"nonsense")],
        [(COMMIT, b"author a\ncommitter b\n\nm\n")],
        [(BLOB, b"x"), (COMMIT, b"tree %b\nauthor a\ncommitter b\n\nm\n" % GOOD.hex().encode())],
        [
            (TAG, b"object %b\ntype blob\ntag t\ntagger %b\n\nm\n" % (GOOD.hex().encode(), PERSON)),
            (BLOB, b"x"),
        ],
    ],
)
def test_objects_that_are_not_sound_or_not_wanted_are_refused(
    store: GitStore, objects: list[tuple[int, bytes]]
) -> None:
    before = files_in(store.path)

    with pytest.raises(InvalidInput, match="PACK_INVALID"):
        receive_pack(store, [pack_of(objects)])
    assert files_in(store.path) == before


def damaged(store: GitStore) -> Iterator[tuple[str, bytes]]:
    pack = b"".join(make_pack(store, [make_commit(store, {"a": b"1" * 1000})], []))
    body = pack[:-20]

    def sealed(data: bytes) -> bytes:
        return data + hashlib.sha1(data).digest()

    yield "nothing", b""
    yield "no pack", b"x" * 100
    yield "cut short", pack[:-30]
    yield "cut short and sealed", sealed(body[:-10])
    yield "a flipped bit", body[:40] + bytes([body[40] ^ 1]) + body[41:] + pack[-20:]
    yield "a flipped bit and sealed", sealed(body[:40] + bytes([body[40] ^ 1]) + body[41:])
    yield "bytes too many", sealed(body + b"x")
    yield "objects too few", sealed(b"PACK" + struct.pack(">II", 2, 99) + body[12:])
    yield "objects too many", sealed(b"PACK" + struct.pack(">II", 2, 1) + body[12:])
    yield "another version", sealed(b"PACK" + struct.pack(">II", 9, 3) + body[12:])
    yield "an unknown type", sealed(b"PACK" + struct.pack(">II", 2, 1) + b"\x51" + zlib.compress(b"x"))
    yield "a size that is not so", sealed(b"PACK" + struct.pack(">II", 2, 1) + b"\x32" + zlib.compress(b"x"))
    reference = b"\x71" + b"\5" * 20 + zlib.compress(b"x")
    yield "a delta of nothing", sealed(b"PACK" + struct.pack(">II", 2, 1) + reference)
    offset = b"\x61\x50" + zlib.compress(b"x")
    yield "a delta of what is not there", sealed(b"PACK" + struct.pack(">II", 2, 1) + offset)


@pytest.mark.usefixtures("way")
def test_damaged_packs_leave_nothing_behind(store: GitStore, other: GitStore) -> None:
    before = files_in(other.path)
    for name, pack in damaged(store):
        with pytest.raises(InvalidInput, match="PACK_INVALID"):
            receive_pack(other, [pack])
        assert files_in(other.path) == before, name


def test_a_pack_over_the_limit_is_refused_while_it_comes(store: GitStore) -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"PACK" + bytes(100_000)

    with pytest.raises(ResourceExhausted, match="PACK_TOO_LARGE"):
        receive_pack(store, endless(), limit_bytes=6_000_000)
    assert taken == 60
    assert not list(store.path.glob("incoming-*"))


def test_few_bytes_that_unpack_to_very_many_are_refused(store: GitStore) -> None:
    zeros = zlib.compress(bytes(70_000_000), 9)
    assert len(zeros) < 100_000
    size = 70_000_000
    header = bytearray([BLOB << 4 | size & 15])
    size >>= 4
    while size:
        header[-1] |= 0x80
        header.append(size & 0x7F)
        size >>= 7
    body = b"PACK" + struct.pack(">II", 2, 1) + bytes(header) + zeros

    with pytest.raises(ResourceExhausted, match="PACK_TOO_LARGE"):
        receive_pack(store, [body + hashlib.sha1(body).digest()])


def test_a_small_delta_that_makes_very_much_is_refused(store: GitStore) -> None:
    def varint(number: int) -> bytes:
        parts = bytearray()
        while number > 0x7F:
            parts.append(number & 0x7F | 0x80)
            number >>= 7
        return bytes([*parts, number])

    base = bytes(0x10000)
    copies = 3000
    delta = varint(len(base)) + varint(len(base) * copies) + b"\x80" * copies
    first = b"".join(write_pack(1, [(BLOB, base)]))[12:-20]
    size = len(delta)
    header = bytearray([7 << 4 | size & 15])
    size >>= 4
    while size:
        header[-1] |= 0x80
        header.append(size & 0x7F)
        size >>= 7
    body = b"PACK" + struct.pack(">II", 2, 2) + first + bytes(header) + blob_id(base) + zlib.compress(delta)

    with pytest.raises(ResourceExhausted, match="PACK_TOO_LARGE"):
        receive_pack(store, [body + hashlib.sha1(body).digest()])


def test_contents_over_the_limit_are_refused_in_a_large_pack_too(
    store: GitStore, other: GitStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pack_receiver, "SMALL_PACK_OBJECTS", 0)
    monkeypatch.setattr(pack_receiver, "MAXIMUM_CONTENTS", 1_000_000)
    pack = make_pack(store, [make_commit(store, {"a": bytes(2_000_000)})], [])
    before = files_in(other.path)

    with pytest.raises(ResourceExhausted, match="PACK_TOO_LARGE"):
        receive_pack(other, pack)
    assert files_in(other.path) == before


def test_an_announced_number_of_objects_is_not_believed(store: GitStore) -> None:
    body = b"PACK" + struct.pack(">II", 2, 0xFFFFFFFF)

    with pytest.raises(ResourceExhausted, match="PACK_TOO_LARGE"):
        receive_pack(store, [body + hashlib.sha1(body).digest()])


@pytest.mark.usefixtures("way")
def test_a_pack_without_the_commit_that_it_should_bring_is_refused(store: GitStore, other: GitStore) -> None:
    commit = make_commit(store, {"a": b"1"})
    pack = b"".join(make_pack(store, [commit], []))

    with PackReceiver(other) as receiver:
        receiver.add(pack)
        with pytest.raises(InvalidInput, match="PACK_INVALID"):
            receiver.finish("1" * 40)
    assert not other.has(commit)
    with PackReceiver(other) as receiver:
        receiver.add(pack)
        assert receiver.finish(commit) == 3


BYTES = st.binary(max_size=40)
ENTRIES = st.lists(
    st.tuples(
        st.sampled_from([b"100644", b"100755", b"40000", b"120000", b"160000", b"040000"]),
        st.sampled_from([b"a", b"b", b"a.b", b"ab", b"\xff"]),
        st.sampled_from([GOOD, hashlib.sha1(b"tree 0\0").digest(), b"\3" * 20]),
    ),
    max_size=4,
)


@settings(max_examples=60, deadline=None)
@given(entries=ENTRIES)
def test_a_tree_is_taken_only_if_fsck_takes_it(
    tmp_path_factory: pytest.TempPathFactory, entries: list[tuple[bytes, bytes, bytes]]
) -> None:
    data = serialize_tree(entries)
    store = GitStore.open(tmp_path_factory.mktemp("fsck") / "store.git")
    try:
        receive_pack(store, [pack_of([(TREE, data), (BLOB, b"x"), (TREE, b"")])])
    except InvalidInput:
        return

    done = subprocess.run(
        ["git", "--git-dir", str(store.path), "fsck", "--strict"], capture_output=True, check=False
    )
    assert done.returncode == 0 or b"zeroPaddedFilemode" in done.stderr


@settings(max_examples=200, deadline=None)
@given(data=BYTES, seal=st.booleans(), count=st.integers(0, 3))
def test_any_bytes_are_a_pack_or_a_refusal(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, seal: bool, count: int
) -> None:
    store = GitStore.open(tmp_path_factory.getbasetemp() / "any.git")
    body = b"PACK" + struct.pack(">II", 2, count) + data if seal else data
    with pytest.raises(AutopackError) if count else pytest.raises((AutopackError, ZeroDivisionError)):
        receive_pack(store, [body + hashlib.sha1(body).digest()])
        raise ZeroDivisionError


@settings(max_examples=25, deadline=None)
@given(
    old=st.dictionaries(st.sampled_from(["a", "b/a", "b/c/a", "d"]), BYTES),
    new=st.dictionaries(st.sampled_from(["a", "b/a", "b/c/a", "d", "e/b/c/a"]), BYTES),
)
def test_any_tree_arrives_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, old: dict[str, bytes], new: dict[str, bytes]
) -> None:
    base = tmp_path_factory.mktemp("pair")
    store, other = GitStore.open(base / "store.git"), GitStore.open(base / "other.git")
    first, second = make_commit(store, old), make_commit(store, new, message="second")

    receive_pack(other, make_pack(store, [first], []))
    receive_pack(other, make_pack(store, [second], [first]))
    assert {entry.path: other.read(second, entry.path) for entry in other.entries(second)} == new
    assert make_tree(other, new) == other.commit_tree(second)
