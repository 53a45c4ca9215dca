"""A hostile repository runs nothing of its own when it is verified, and cannot hang it."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from autopack.attestation.storage import add_files, change_file, ref_of
from autopack.cli.commands import verify as command
from autopack.errors import InvalidInput
from autopack.gitstore.store import Signature
from autopack.signing.dsse import sign
from tests.verify.attested import Attested, attested, found

DEEP = b'{"payload":' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@pytest.fixture
def made(tmp_path: Path) -> Attested:
    history = attested(tmp_path)
    history.run("r1", 2)
    history.publish("r1")
    return history


def run(made: Attested, repository: Path, target: str = "r1") -> subprocess.CompletedProcess[str]:
    """The command itself, as somebody would run it."""
    public = made.path.parent / "gate.pub"
    place = ["--repo", str(repository), "--key", str(public)]
    argv = [sys.executable, "-P", "-m", "autopack.cli", "verify", target, *place]
    return subprocess.run(argv, capture_output=True, text=True, timeout=150)


def clone(made: Attested, place: Path) -> Path:
    subprocess.run(["git", "clone", "-q", str(made.path), str(place)], check=True, capture_output=True)
    return place


def test_a_plain_clone_is_enough(made: Attested, tmp_path: Path) -> None:
    done = run(made, clone(made, tmp_path / "clone"))
    assert (done.returncode, done.stdout.count("ok  ")) == (0, 3), done.stdout + done.stderr


def test_nothing_that_a_repository_names_is_run(made: Attested, tmp_path: Path) -> None:
    place = clone(made, tmp_path / "clone")
    evil = f"touch {tmp_path}/ran"
    for key in ("core.fsmonitor", "core.sshCommand", "core.pager", "filter.x.smudge", "diff.external"):
        subprocess.run(["git", "-C", str(place), "config", key, evil], check=True)
    (place / ".git" / "info" / "attributes").write_text("* filter=x diff=x merge=x\n")
    for name in ("post-checkout", "reference-transaction", "pre-auto-gc"):
        hook = place / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\n{evil}\n")
        hook.chmod(0o755)
    done = run(made, place)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "ran").exists()


def test_replaced_and_grafted_commits_are_seen_as_they_are(made: Attested, tmp_path: Path) -> None:
    place = clone(made, tmp_path / "clone")
    base = made.store.parents(made.commits[0])[0]
    replaced = place / ".git" / "refs" / "replace" / made.commits[0]
    replaced.parent.mkdir(parents=True)
    replaced.write_text(base + "\n")
    (place / ".git" / "info" / "grafts").write_text(f"{made.commits[1]} {base}\n")
    done = run(made, place, f"{base}..origin/main")
    assert (done.returncode, done.stdout.count("ok  ")) == (0, 2), done.stdout + done.stderr


def test_objects_elsewhere_are_refused(made: Attested, tmp_path: Path) -> None:
    place = clone(made, tmp_path / "clone")
    (place / ".git" / "objects" / "info" / "alternates").write_text("/dev\n")
    done = run(made, place)
    assert (done.returncode, "ALTERNATES_REFUSED" in done.stderr) == (2, True)


def test_a_pipe_in_the_place_of_a_file_cannot_hang_it(made: Attested, tmp_path: Path) -> None:
    place = clone(made, tmp_path / "clone")
    (place / ".git" / "packed-refs").unlink(missing_ok=True)
    os.mkfifo(place / ".git" / "packed-refs")
    done = run(made, place)
    assert (done.returncode, "PIPE_IN_REPOSITORY" in done.stderr) == (2, True)


@pytest.mark.parametrize("limit", ["STARTING_SECONDS", "COMMIT_SECONDS", "SLACK_SECONDS"])
def test_what_takes_too_long_is_ended(made: Attested, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    """Nothing for long, at once or after a line, and line after line without an end."""

    def slowly(*_: object) -> Iterator[dict[str, object]]:
        line: dict[str, object] = {"commit": "0" * 40, "subject": "", "holds": True}
        if limit != "STARTING_SECONDS":
            yield line
        if limit == "SLACK_SECONDS":
            while True:
                time.sleep(0.01)
                yield line
        time.sleep(600)

    monkeypatch.setattr(command, "claims", slowly)
    monkeypatch.setattr(command, limit, 0.2)
    monkeypatch.setattr(command, "USUAL_SECONDS", 0.001)
    started = time.monotonic()
    with pytest.raises(InvalidInput) as refused:
        command.verify("r1", made.path, [made.path.parent / "gate.pub"], False)
    assert refused.value.reasons[0].code == "REPOSITORY_UNREADABLE"
    assert time.monotonic() - started < 60


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"x" * 100_000_000, "FILE_TOO_LARGE"),
        (DEEP, "DOCUMENT_TOO_DEEP"),
        (b'{"payload":"","payload":"","payloadType":"","signatures":[]}', "DUPLICATE_KEY"),
        (b'{"payload":"e30=","payloadType":"x/y","signatures":[{"keyid":"","sig":""}]}', "KEY_NOT_TRUSTED"),
        (b'{"payload":"","payloadType":"","signatures":[],"more":1}', "ENVELOPE_INVALID"),
        (b'{"payload":NaN}', "DOCUMENT_INVALID"),
        (b"\xff\xfe", "DOCUMENT_INVALID"),
        (b"", "ATTESTATION_INCOMPLETE"),
    ],
)
def test_bad_envelopes_have_stable_codes(made: Attested, data: bytes, code: str) -> None:
    ref = ref_of("r1")
    old = made.store.resolve(ref) or ""
    new = add_files(made.store, old, {change_file(made.commits[0]): data}, [], "bad\n", 1)
    made.store.update_refs([(ref, new, old)])
    assert found(made, f"{made.commits[0]}^..{made.commits[0]}") == [code]


def test_an_envelope_of_an_unknown_version_is_refused_also_with_our_signature(made: Attested) -> None:
    ref = ref_of("r1")
    old = made.store.resolve(ref) or ""
    key = made.key
    for kind, payload in (
        ("application/vnd.future+json", b"{}"),
        ("application/vnd.in-toto+json", b'{"_type":"v9"}'),
    ):
        line = sign(kind, payload, key.public.key_id, key.sign).to_json() + b"\n"
        new = add_files(made.store, old, {change_file(made.commits[0]): line}, [], "new\n", 1)
        made.store.update_refs([(ref, new, made.store.resolve(ref) or "")])
        assert found(made, f"{made.commits[0]}^..{made.commits[0]}") == ["VERSION_UNKNOWN"]


def bare_commit(made: Attested, tree: str) -> str:
    author = Signature("Mallory", "m@example.org", 1_700_000_009)
    message = made.store.message(made.commits[0])
    return made.store.commit(tree=tree, parents=[made.commits[0]], message=message, author=author)


def a_tree_bomb(made: Attested) -> str:
    """Ten to the power of ten files, of eleven objects."""
    tree = made.store.write_tree(b"100644 f\0" + bytes.fromhex(made.store.write_blob(b"x")))
    for _ in range(10):
        tree = made.store.write_tree(b"".join(b"40000 %d\0%b" % (name, tree) for name in range(10)))
    return tree.hex()


def a_deep_tree(made: Attested) -> str:
    tree = made.store.write_tree(b"100644 f\0" + bytes.fromhex(made.store.write_blob(b"x")))
    for _ in range(5000):
        tree = made.store.write_tree(b"40000 d\0" + tree)
    return tree.hex()


def a_submodule(made: Attested) -> str:
    modules = b'[submodule "x"]\n\tpath = x\n\turl = ext::sh -c "touch ran"\n\tupdate = !touch ran\n'
    text = bytes.fromhex(made.store.write_blob(modules))
    return made.store.write_tree(b"100644 .gitmodules\0%b160000 x\0%b" % (text, bytes(19) + b"\1")).hex()


def a_large_pack(made: Attested) -> str:
    """A file that unpacks to 300 MB; its object has some 300 kB."""
    blob = made.store.write_blob(bytes(300_000_000))
    subprocess.run(["git", "--git-dir", str(made.path), "repack", "-adq"], check=True, capture_output=True)
    return made.store.write_tree(b"100644 f\0" + bytes.fromhex(blob)).hex()


@pytest.mark.parametrize("made_of", [a_tree_bomb, a_deep_tree, a_submodule, a_large_pack])
def test_commits_that_are_made_to_exhaust_whoever_reads_them_fail(
    made: Attested, made_of: Callable[[Attested], str]
) -> None:
    evil = bare_commit(made, made_of(made))
    made.store.update_refs([("refs/heads/evil", evil, "")])
    done = run(made, made.path, f"{made.commits[0]}..evil")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, "does not hold: 1 of 1"), done.stderr
    assert not (Path.cwd() / "ran").exists()


def test_configured_helpers_of_a_partial_clone_fetch_nothing(made: Attested, tmp_path: Path) -> None:
    """A missing object makes git ask its remote, by a command that the repository names."""
    place = clone(made, tmp_path / "clone")
    for key, value in (
        ("extensions.partialClone", "origin"),
        ("remote.origin.promisor", "true"),
        ("remote.origin.url", f"ext::sh -c 'touch {tmp_path}/ran'"),
        ("remote.origin.uploadpack", f"touch {tmp_path}/ran"),
        ("protocol.ext.allow", "always"),
        ("core.repositoryFormatVersion", "1"),
        ("core.sshCommand", f"touch {tmp_path}/ran"),
    ):
        subprocess.run(["git", "-C", str(place), "config", key, value], check=True)
    for file in (place / ".git" / "objects" / "pack").glob("*"):
        file.unlink()
    for file in (place / ".git" / "objects").glob("??/*"):
        file.unlink()
    done = run(made, place, "HEAD")
    assert done.returncode in (1, 2)
    assert not (tmp_path / "ran").exists()
