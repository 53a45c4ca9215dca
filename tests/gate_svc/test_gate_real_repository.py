"""What is refused or flagged whatever the tests say, read from commits of a real repository."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from autopack.gitstore.local_remote import LocalRemote
from autopack.gitstore.store import GitStore
from autopack.testing.repositories import Files, make_commit
from gate_svc.candidate import Candidate, read_candidate
from gate_svc.domain.request import GateRequest
from gate_svc.domain.ruling import Weight

BASE: Files = {
    "autopack.yaml": b"version: 1\nchecks: [{name: tests, run: 'python -m pytest -q', reports: pytest}]\n",
    "maths.py": b"def double(x):\n    return 2 * x\n",
    "src/product/__init__.py": b"",
    "tests/test_maths.py": b"import maths\n\ndef test_a():\n    assert maths.double(1) == 2\n",
    "package/tests/__init__.py": b"",
    "package/tests/test_b.py": b"def test_b():\n    pass\n",
    "docs/a.md": b"a\n",
}


@pytest.fixture
def store(tmp_path: Path) -> GitStore:
    return GitStore.open(tmp_path / "store.git")


def read(store: GitStore, base: str, head: str) -> Candidate:
    return read_candidate(store, GateRequest("r", "p", base, head, base, (), "feature", (), "a", (), ""))


def judged(store: GitStore, more: Files, without: Sequence[str] = ()) -> dict[str, Weight]:
    """What is said on a change that adds these files."""
    base = make_commit(store, BASE)
    files = {path: contents for path, contents in {**BASE, **more}.items() if path not in without}
    head = make_commit(store, files, base)
    return {each.reason.code: each.weight for each in read(store, base, head).rulings}


@pytest.mark.parametrize(
    ("path", "code", "weight"),
    [
        ("pytest.py", "SHADOWS_RUNNER", Weight.REFUSE),
        ("_pytest/__init__.py", "SHADOWS_RUNNER", Weight.REFUSE),
        ("src/pluggy.py", "SHADOWS_RUNNER", Weight.REFUSE),
        ("lib/unittest/__init__.py", "SHADOWS_RUNNER", Weight.REFUSE),
        ("sitecustomize.py", "SHADOWS_RUNNER", Weight.REFUSE),
        ("tests/pytest.py", "SHADOWS_RUNNER", Weight.REFUSE),
        ("autopack_pytest.py", "SHADOWS_RUNNER", Weight.REFUSE),
        ("random.py", "SHADOWS_LIBRARY", Weight.ASK),
        ("json/__init__.py", "SHADOWS_LIBRARY", Weight.ASK),
        ("tests/decimal.py", "SHADOWS_LIBRARY", Weight.ASK),
        ("tests/maths.py", "SHADOWS_PRODUCT", Weight.ASK),
        ("tests/product/__init__.py", "SHADOWS_PRODUCT", Weight.ASK),
        ("maths/__init__.py", "SHADOWS_PRODUCT", Weight.ASK),
        ("product.py", "SHADOWS_PRODUCT", Weight.ASK),
        ("src/maths.py", "SHADOWS_PRODUCT", Weight.ASK),
    ],
)
def test_modules_that_come_before_others_are_refused_or_flagged(
    store: GitStore, path: str, code: str, weight: Weight
) -> None:
    assert judged(store, {path: b"x = 1\n"}).get(code) == weight


@pytest.mark.parametrize("target", [b"src/product", b"docs"])
def test_a_link_comes_before_others_too(store: GitStore, target: bytes) -> None:
    assert judged(store, {"pytest": (0o120000, target)})["SHADOWS_RUNNER"] == Weight.REFUSE
    assert judged(store, {"pytest.py": (0o120000, b"maths.py")})["SHADOWS_RUNNER"] == Weight.REFUSE


@pytest.mark.parametrize(
    "path",
    [
        "src/product/random.py",
        "src/product/pytest.py",
        "package/tests/maths.py",
        "package/json.py",
        "json/schema.json",
        "tests/helpers.py",
        "tests/test_product.py",
        "tests/conftest.py",
        "tests/__init__.py",
        "test/__init__.py",
        "setup.py",
        "docs/conf.py",
        "other/__init__.py",
    ],
)
def test_modules_that_come_before_nothing_are_not_flagged(store: GitStore, path: str) -> None:
    assert not {code for code in judged(store, {path: b"{}\n"}) if code.startswith("SHADOWS")}


def test_a_moved_package_shadows_nothing(store: GitStore) -> None:
    codes = judged(store, {"src/maths.py": BASE["maths.py"]}, without=["maths.py"])
    assert not {code for code in codes if code.startswith("SHADOWS")}


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"link": (0o120000, b"../outside")}, "SYMLINK_ESCAPES"),
        ({"link": (0o120000, b"/etc/passwd")}, "SYMLINK_ESCAPES"),
        ({"docs/link": (0o120000, b"../docs/../../x")}, "SYMLINK_ESCAPES"),
        ({"link": (0o120000, b".git/config")}, "SYMLINK_ESCAPES"),
        ({"module": (0o160000, bytes(20))}, "SUBMODULE_CHANGED"),
        ({".gitmodules": b"[submodule 'x']\n"}, "PATH_PROTECTED"),
        ({".gitattributes": b"* -diff\n"}, "PATH_PROTECTED"),
        ({"docs/.gitattributes": b"* filter=x\n"}, "PATH_PROTECTED"),
        ({"docs/.GitAttributes": b"* filter=x\n"}, "PATH_PROTECTED"),
        ({"MATHS.py": b"x = 1\n"}, "PATH_CLASH"),
        ({"Docs/b.md": b"x\n"}, "PATH_CLASH"),
        ({"docs/e\u0301.md": b"x\n", "docs/\u00e9.md": b"x\n"}, "PATH_CLASH"),
        ({"docs/a\u200b.md": b"x\n"}, "PATH_CLASH"),
        ({"docs/\udcff.md": b"x\n"}, "PATH_NOT_UTF8"),
        ({"docs/a\x1b[2J.md": b"x\n"}, "PATH_INVALID"),
        ({"docs/a\n::add-mask::x.md": b"x\n"}, "PATH_INVALID"),
        ({"m\u0430ths.py": b"x = 1\n"}, "LOOK_ALIKE"),
        ({"a.pyc": b"x"}, "FORBIDDEN_FILE"),
        ({"x.egg-info/PKG-INFO": b"x"}, "FORBIDDEN_FILE"),
        ({".venv/pyvenv.cfg": b"x"}, "COMMITTED_ENVIRONMENT"),
        ({"b.py": b"x = (\n"}, "DOES_NOT_PARSE"),
        ({"b.py": b"# coding: utf-7\n"}, "SOURCE_ENCODING"),
        ({"b.py": b"# x\ry\n"}, "HIDDEN_TEXT"),
        ({"docs/b.md": b"<<<<<<< a\nx\n=======\ny\n>>>>>>> b\n"}, "CONFLICT_MARKERS"),
        ({}, "NO_CHANGE"),
    ],
)
def test_what_may_never_land_is_refused(store: GitStore, more: Files, code: str) -> None:
    assert judged(store, more).get(code) == Weight.REFUSE


def git(directory: Path, *arguments: str, stdin: str = "") -> str:
    identity = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    done = subprocess.run(
        ["git", "-C", str(directory), *arguments],
        env={**os.environ, **identity, "GIT_CONFIG_GLOBAL": "/dev/null"},
        capture_output=True,
        text=True,
        check=True,
        input=stdin,
    )
    return done.stdout.strip()


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A repository that runs something, or shows other contents, wherever git lets it."""
    path = tmp_path / "hostile"
    path.mkdir()
    git(path, "init", "-q", "-b", "main")
    (path / "autopack.yaml").write_text("version: 1\n")
    (path / "a.py").write_text("x = 1\n")
    (path / ".gitattributes").write_text(
        "*.py filter=evil diff=evil merge=evil export-ignore ident eol=crlf\n"
    )
    git(path, "add", "-A")
    git(path, "commit", "-q", "-m", "first")
    (path / "a.py").write_text("x = (\n")
    git(path, "commit", "-q", "-a", "-m", "second")
    first, second = git(path, "rev-parse", "HEAD~1"), git(path, "rev-parse", "HEAD")
    blob, broken = git(path, "rev-parse", f"{first}:a.py"), git(path, "rev-parse", f"{second}:a.py")
    program = path / ".git" / "evil"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\ncat\n")
    program.chmod(0o755)
    for key in (
        "core.fsmonitor",
        "core.pager",
        "core.editor",
        "core.sshCommand",
        "core.askPass",
        "filter.evil.clean",
        "filter.evil.smudge",
        "filter.evil.process",
        "diff.evil.textconv",
        "diff.external",
        "merge.evil.driver",
        "gpg.program",
        "credential.helper",
        "uploadpack.packObjectsHook",
        "core.alternateRefsCommand",
    ):
        git(path, "config", key, str(program))
    git(path, "config", "core.hooksPath", str(path / ".git"))
    git(path, "config", "include.path", "/proc/self/fd/0")
    for hook in ("post-checkout", "reference-transaction", "pre-push", "post-index-change"):
        (path / ".git" / "hooks" / hook).parent.mkdir(exist_ok=True)
        (path / ".git" / "hooks" / hook).write_text(program.read_text())
        (path / ".git" / "hooks" / hook).chmod(0o755)
        (path / ".git" / hook).write_text(program.read_text())
        (path / ".git" / hook).chmod(0o755)
    # Replaced, grafted and cached: the second commit shows as the first, without a parent, and as its own.
    (path / ".git" / "refs" / "replace").mkdir(parents=True, exist_ok=True)
    (path / ".git" / "refs" / "replace" / second).write_text(f"{first}\n")
    (path / ".git" / "refs" / "replace" / broken).write_text(f"{blob}\n")
    (path / ".git" / "info").mkdir(exist_ok=True)
    (path / ".git" / "info" / "grafts").write_text(f"{second}\n")
    (path / ".git" / "info" / "attributes").write_text("* export-ignore filter=evil\n")
    (path / ".git" / "objects" / "info").mkdir(exist_ok=True)
    (path / ".git" / "objects" / "info" / "commit-graph").write_bytes(b"CGPH\x01\x01\x03\x00" + bytes(200))
    return path


def test_a_hostile_repository_runs_nothing_and_shows_what_is_committed(
    hostile: Path, store: GitStore, tmp_path: Path
) -> None:
    remote = LocalRemote(hostile)
    (tmp_path / "ran").unlink(missing_ok=True)
    second = remote.resolve("main")
    assert second is not None
    assert isinstance(second.notices, tuple)  # found by looking through the work tree
    remote.fetch(store, [second.commit])
    (first,) = store.parents(second.commit)
    remote.fetch(store, [first])
    candidate = read(store, first, second.commit)
    assert [change.path for change in candidate.changes] == ["a.py"]
    assert candidate.files[0].new == b"x = (\n"
    assert "DOES_NOT_PARSE" in {each.reason.code for each in candidate.rulings}
    assert not (tmp_path / "ran").exists()
    assert not (store.path / "objects" / "info" / "alternates").exists()
