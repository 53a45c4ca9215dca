"""`backup` while a run goes on, and `restore`: the run goes on from there, its remote being ahead."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from autopack.errors import AlreadyExists, AutopackError, FailedPrecondition, InvalidInput
from autopack.host.backups import MANIFEST, back_up, restore
from autopack.host.places import Places

POLICY = 'version: 1\npaths: {allow: ["src/**"]}\nchecks: [{name: nothing, run: "true"}]\n'
PLAN = """\
version: 1
name: three
base: main
phases:
  - id: one
    goal: First
    scope: {paths: [src/one.txt]}
    builder: {kind: patch, files: {src/one.txt: "1\\n"}}
  - id: two
    goal: Second
    depends_on: [one]
    scope: {paths: [src/two.txt]}
    builder: {kind: command, run: "sleep 1; echo 2 >src/two.txt"}
  - id: three
    goal: Third
    depends_on: [two]
    scope: {paths: [src/three.txt]}
    builder: {kind: patch, files: {src/three.txt: "3\\n"}}
"""


def test_a_run_goes_on_from_a_backup_that_was_taken_while_it_went(
    autopack: Any, repository: Any, wait_until: Any, tmp_path: Path
) -> None:
    repository.commit({"autopack.yaml": POLICY, "src/zero.txt": "0\n"})
    plan = tmp_path / "plan.yaml"
    plan.write_text(PLAN)
    running = autopack.start("run", str(plan), "--run-id", "r", log=tmp_path / "run.log")
    database = autopack.home / "orchestrator" / "orchestrator.db"
    wait_until(lambda: _landed(database) == 1, 60)
    back_up(Places(autopack.home), tmp_path / "backup")
    assert running.wait(60) == 0, (tmp_path / "run.log").read_text()
    head = repository.git("rev-parse", "autopack/r")

    elsewhere = str(tmp_path / "elsewhere")
    assert autopack("restore", str(tmp_path / "backup"), AUTOPACK_HOME=elsewhere).code == 0
    assert _landed(Path(elsewhere) / "orchestrator" / "orchestrator.db") == 1
    resumed = autopack("resume", "r", "--json", AUTOPACK_HOME=elsewhere)

    assert (resumed.code, resumed.json["state"], resumed.json["head"]) == (0, "SUCCEEDED", head)
    assert repository.git("rev-parse", "autopack/r") == head


def _landed(database: Path) -> int:
    if not database.exists():
        return 0
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        try:
            found = connection.execute("SELECT count(*) FROM phases WHERE state = 'LANDED'").fetchone()
        except sqlite3.OperationalError:  # it is only just being made
            return 0
    return int(found[0])


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """A home with nothing in it but a database and a key."""
    made = Places(tmp_path / "home")
    made.prepare()
    made.directory("orchestrator").mkdir()
    with closing(sqlite3.connect(made.directory("orchestrator") / "orchestrator.db")) as connection:
        connection.execute("CREATE TABLE t (x)")
    made.key.parent.mkdir()
    made.key.write_text("secret")
    made.key.chmod(0o600)
    return made


def test_keys_come_back_as_they_were(places: Places, tmp_path: Path) -> None:
    back_up(places, tmp_path / "backup")
    again = Places(tmp_path / "again")
    restore(again, tmp_path / "backup")

    assert again.key.read_text() == "secret"
    assert again.key.stat().st_mode & 0o777 == 0o600


def test_what_writes_meanwhile_neither_waits_nor_is_half_there(places: Places, tmp_path: Path) -> None:
    database = places.directory("orchestrator") / "orchestrator.db"
    with closing(sqlite3.connect(database, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("INSERT INTO t VALUES (1)")
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO t VALUES (2)")
        back_up(places, tmp_path / "backup")
        writer.execute("COMMIT")
    with closing(sqlite3.connect(tmp_path / "backup" / "orchestrator" / "orchestrator.db")) as copy:
        assert copy.execute("SELECT x FROM t").fetchall() == [(1,)]


def test_a_backup_that_was_changed_is_refused(places: Places, tmp_path: Path) -> None:
    back_up(places, tmp_path / "backup")
    (tmp_path / "backup" / "keys" / "gate.key").write_text("another")
    with pytest.raises(InvalidInput, match="BACKUP_INVALID"):
        restore(Places(tmp_path / "again"), tmp_path / "backup")
    assert not Places(tmp_path / "again").key.exists()


@pytest.mark.parametrize(
    ("prepare", "kind", "code"),
    [
        (lambda root: restore(Places(root / "again"), root), InvalidInput, "BACKUP_INVALID"),
        (lambda root: restore(Places(root / "home"), root / "backup"), FailedPrecondition, "HOME_IN_USE"),
        (lambda root: back_up(Places(root / "home"), root / "backup"), AlreadyExists, "BACKUP_EXISTS"),
        (lambda root: back_up(Places(root / "none"), root / "b"), FailedPrecondition, "NOTHING_TO_BACK_UP"),
    ],
)
def test_what_would_go_wrong_is_refused(
    places: Places, tmp_path: Path, prepare: Any, kind: type[AutopackError], code: str
) -> None:
    back_up(places, tmp_path / "backup")
    assert (tmp_path / "backup" / MANIFEST).exists()
    with pytest.raises(kind, match=code):
        prepare(tmp_path)
