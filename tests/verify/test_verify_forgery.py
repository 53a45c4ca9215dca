"""Ways to have `verify` accept what no gate accepted, each tried by somebody who may write every ref."""

import itertools
import subprocess
import zlib
from pathlib import Path

import pytest

from autopack.attestation.storage import BRANCH, KEYS_FILE, LOG_FILE, add_files, ref_of
from autopack.attestation.succession import retire
from autopack.attestation.trust import trust
from autopack.gitstore.store import Signature
from autopack.signing.keys import PrivateKey, create_private_key
from autopack.testing.repositories import make_commit
from tests.verify.attested import Attested, attested, found

BY = Signature("Mallory", "m@example.org", 1_700_000_009)


@pytest.fixture
def made(tmp_path: Path) -> Attested:
    history = attested(tmp_path)
    history.run("r1", 2)
    history.publish("r1")
    return history


def evil_commit(made: Attested) -> str:
    """A commit on top of what was accepted that nobody has accepted."""
    return make_commit(made.store, {**made.files, "evil.py": b"evil = 1\n"}, made.head, message="evil")


def point(made: Attested, ref: str, commit: str) -> None:
    made.store.update_refs([(ref, commit, made.store.resolve(ref) or "")])


@pytest.mark.parametrize("shadow", ["refs/tags/origin/main", "refs/heads/origin/main"])
def test_a_tag_or_branch_named_like_the_base_cannot_stand_in_for_it(made: Attested, shadow: str) -> None:
    """`origin/main..HEAD` would be empty, and hold, where the base is read from a pushed tag."""
    point(made, "refs/remotes/origin/main", made.commits[0])
    head = evil_commit(made)
    point(made, "refs/heads/main", head)
    point(made, shadow, head)
    assert found(made, "origin/main..main") == ["REVISION_AMBIGUOUS"]
    assert found(made, "origin/main~0..main") == ["REVISION_AMBIGUOUS"]
    assert found(made, "refs/remotes/origin/main..main") == ["NOT_ATTESTED"]


def test_a_run_that_is_named_like_a_branch_cannot_stand_in_for_it(made: Attested) -> None:
    made.run("main", 1)
    made.publish("main")
    assert found(made, "main") == []  # both are the same as yet
    evil = evil_commit(made)
    point(made, "refs/heads/main", evil)
    assert found(made, "main") == ["REVISION_AMBIGUOUS"]
    assert found(made, "refs/heads/main") == ["NOT_ATTESTED"]
    assert found(made, ref_of("main")) == []


def succession(made: Attested, old: PrivateKey, new: PrivateKey | None, until: str) -> None:
    """Puts a succession before all others, as a thief would who rewrites the branch."""
    tip = made.store.resolve(BRANCH) or ""
    known = made.store.read(tip, KEYS_FILE) or b""
    retire(made.store, old, new, until, 1_700_000_300)
    added = (made.store.read(made.store.resolve(BRANCH) or "", KEYS_FILE) or b"").removeprefix(known)
    head = add_files(made.store, tip, {KEYS_FILE: added + known}, [], "keys\n", 1)
    point(made, BRANCH, head)


@pytest.mark.parametrize("given", ["new", "both"])
def test_a_stolen_retired_key_vouches_for_no_predecessor_of_its_own(
    made: Attested, tmp_path: Path, given: str
) -> None:
    """The thief claims that the stolen key once followed his own, so that what this signed counts."""
    old, new, thief = made.key, create_private_key(tmp_path / "new.key"), create_private_key(tmp_path / "t")
    retire(made.store, old, new, None, 1_700_000_100)
    made.key = thief
    made.run("evil", 1)
    made.publish("evil")
    succession(made, thief, old, made.store.resolve(BRANCH) or "")
    keys = [new, old] if given == "both" else [new]
    trusted = trust(made.store, {key.public.key_id: key.public for key in keys})
    assert trusted.keys.keys() == {old.public.key_id, new.public.key_id}
    assert set(found(made, "evil", new)) == {"KEY_NOT_TRUSTED"}
    assert found(made, "r1", new) == []


def test_a_key_that_names_two_successors_leads_to_neither(made: Attested, tmp_path: Path) -> None:
    """Whoever trusts the old key alone cannot tell its owner from a thief."""
    old, new, thief = made.key, create_private_key(tmp_path / "new.key"), create_private_key(tmp_path / "t")
    retire(made.store, old, new, None, 1_700_000_100)
    succession(made, old, thief, made.store.resolve(BRANCH) or "")
    assert found(made, "r1", old) == ["KEY_CONTESTED"]
    assert found(made, "r1", new) == []


def test_the_chain_of_keys_holds_from_its_last_one(made: Attested, tmp_path: Path) -> None:
    keys = [made.key, *(create_private_key(tmp_path / f"{number}.key") for number in range(3))]
    for number, (old, new) in enumerate(itertools.pairwise(keys), 2):
        retire(made.store, old, new, None, 1_700_000_100)
        made.key = new
        made.run(f"r{number}", 1)
        made.publish(f"r{number}")
    for key in keys:
        assert [found(made, f"r{number}", key) for number in range(1, 5)] == [[], [], [], []]


@pytest.mark.parametrize(
    "run_id", ["../../heads/main", "a..b", "x" * 5000, "a b", "\x01", "-r", "R1", "r1.lock"]
)
def test_a_commit_that_names_an_impossible_run_is_told(made: Attested, run_id: str) -> None:
    trailers = f"Autopack-Run: {run_id}\nAutopack-Phase: p\nAutopack-Attempt: 1\nAutopack-Verdict: sha256:0\n"
    message = f"evil\n\n{trailers}"
    tree = made.store.commit_tree(made.head)
    evil = made.store.commit(tree=tree, parents=[made.head], message=message, author=BY)
    point(made, "refs/heads/main", evil)
    assert found(made, f"{made.head}..main") == ["NOT_ATTESTED"]


@pytest.mark.parametrize("number", ["1e999", "-1e999", "9" * 5000])
def test_numbers_that_no_json_has_are_told(made: Attested, number: str) -> None:
    old = made.store.resolve(ref_of("r1")) or ""
    log = made.store.read(old, LOG_FILE) or b""
    changed = log.replace(b'"attempt":0', b'"attempt":' + number.encode(), 1)
    assert changed != log
    point(made, ref_of("r1"), add_files(made.store, old, {LOG_FILE: changed}, [], "x\n", 1))
    assert found(made, "r1") == ["DOCUMENT_INVALID"]


def test_an_object_that_is_not_what_its_name_says_is_not_read(made: Attested, tmp_path: Path) -> None:
    """Whoever may write the directory puts other contents under an attested id: git trusts the name."""
    text = b"print('evil')\n"
    evil = zlib.compress(b"blob %d\0%b" % (len(text), text))
    commit = made.commits[0]
    policy = next(entry.oid for entry in made.store.entries(commit) if entry.path == "autopack.yaml")
    for kind, oid in (("tree", made.store.commit_tree(commit)), ("commit", commit), ("blob", policy)):
        place = tmp_path / f"{kind}.git"
        subprocess.run(["cp", "-r", str(made.path), str(place)], check=True)
        file = place / "objects" / oid[:2] / oid[2:]
        good = zlib.decompress(file.read_bytes())
        file.chmod(0o644)
        for bad in (evil, zlib.compress(good[:-1] + bytes([good[-1] ^ 1]))):
            file.write_bytes(bad)
            copy = Attested.__new__(Attested)
            copy.path, copy.key = place, made.key
            assert found(copy, "r1") != [], kind


@pytest.mark.parametrize("kind", ["tag", "tree", "blob"])
def test_what_is_no_commit_is_told(made: Attested, kind: str) -> None:
    blob = made.store.write_blob(b"x")
    target = {"blob": blob, "tree": made.store.commit_tree(made.head), "tag": blob}[kind]
    point(made, "refs/tags/odd", target)
    assert found(made, "odd") == ["REVISION_NOT_FOUND"]
