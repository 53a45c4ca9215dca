"""The command line: help, usage errors and exit codes, with nothing slow imported for them."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from autopack.cli.outcome import exit_code
from autopack.errors import (
    AlreadyExists,
    AutopackError,
    FailedPrecondition,
    Internal,
    InvalidInput,
    NotFound,
    PermissionDenied,
    Reason,
    ResourceExhausted,
    Unavailable,
)

COMMANDS = (
    *("init", "do", "run", "validate", "schema", "runs", "status", "show", "diff", "cancel", "resume"),
    *("approve", "reject", "gate", "audit", "tidy", "index", "recall", "trace", "report"),
    *("verify", "replay", "key", "serve", "contracts", "backup", "restore", "doctor"),
)


def test_help_names_exactly_what_works(invoke: Any) -> None:
    ended = invoke("--help")
    assert ended.code == 0
    listed = ended.stdout.partition("Commands:")[2].splitlines()
    assert [line.split()[0] for line in listed if line.strip()] == list(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(invoke: Any, command: str) -> None:
    ended = invoke(command, "--help")
    assert ended.code == 0
    assert f"autopack {command}" in ended.stdout


def test_help_imports_nothing_slow() -> None:
    script = (
        "import sys; sys.argv = ['autopack', '--help']\n"
        "from autopack.cli.__main__ import main\n"
        "try:\n    main()\n"
        "finally:\n    print(sorted({'grpc', 'pydantic', 'rich', 'yaml', 'sqlalchemy'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "arguments",
    [
        ["rnu"],
        ["run"],
        ["run", "--colour"],
        ["approve", "a", "b"],
        ["schema", "verdict"],
        ["serve", "tea"],
        ["audit", "--base", "a", "--head", "b", "--format", "xml"],
        ["do", "goal", "--scope", "x", "--builder", "command"],
        ["do", "goal", "--scope", "x", "--builder", "patch"],
        ["do", "goal", "--scope", "x", "--builder", "claude", "--run", "x"],
        ["approve", "run", "phase", "--digest", "abc"],
    ],
)
def test_wrong_usage_ends_with_2_and_one_error_document(invoke: Any, arguments: list[str]) -> None:
    ended = invoke(*arguments, "--json")
    assert ended.code == 2
    assert ended.json["schema"] == "error/v1alpha1"
    assert set(ended.json["error"]) >= {"code", "message", "fix"}
    plain = invoke(*arguments)
    assert plain.code == 2
    assert plain.stdout == ""
    assert plain.stderr.startswith("error ")


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (InvalidInput, 2),
        (NotFound, 2),
        (AlreadyExists, 2),
        (FailedPrecondition, 1),
        (PermissionDenied, 1),
        (ResourceExhausted, 4),
        (Unavailable, 4),
        (Internal, 4),
    ],
)
def test_every_error_has_the_exit_code_of_the_contract(kind: type[AutopackError], code: int) -> None:
    assert exit_code(kind(Reason("X", "y"))) == code


def test_a_home_that_cannot_be_used_is_told(autopack: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ended = autopack("runs", "--json", AUTOPACK_HOME=str(tmp_path / "file" / "home"))
    assert ended.code == 1
    assert ended.json["error"]["code"] == "HOME_UNUSABLE"


def test_a_terminal_that_lacks_characters_is_no_failure(autopack: Any, tmp_path: Path) -> None:
    (tmp_path / "plän.yaml").write_text("a: b")
    ended = autopack("validate", str(tmp_path / "plän.yaml"), PYTHONIOENCODING="ascii")
    assert ended.code == 2
    assert "pl\\xe4n.yaml" in ended.stderr


def test_a_reader_that_goes_away_is_no_error() -> None:
    script = f"{sys.executable} -m autopack.cli schema plan | head -c 10"
    result = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert result.stderr == ""
