"""What is printed of runs and changes: documents, next steps, and nobody's escapes."""

from pathlib import Path

import pytest

from autopack.api.builder.v1.build_pb2 import Usage
from autopack.api.gate.v1.verdict_pb2 import Verdict
from autopack.api.orchestrator.v1 import run_pb2
from autopack.api.reason.v1.reason_pb2 import Reason
from autopack.cli.documents import run_document, usage
from autopack.cli.live import RunView
from autopack.cli.pull_request import pull_request_line
from autopack.cli.repository import repository_of
from autopack.cli.summary import print_run
from autopack.errors import InvalidInput, NotFound

EVIL = "evil\x1b[2J\u202e"


def a_run(state: int, *phases: run_pb2.Phase) -> run_pb2.Run:
    return run_pb2.Run(run_id="r1", state=state, base="a" * 40, head="b" * 40, plan_name=EVIL, phases=phases)  # type: ignore[arg-type]  # an enum's number


WAITING = run_pb2.Phase(
    phase_id="ask",
    state=run_pb2.PHASE_STATE_WAITING_APPROVAL,
    verdict=Verdict(decision=3),  # type: ignore[arg-type]  # an enum's number
    approval=run_pb2.PendingApproval(digest="d" * 64, reasons=[Reason(code="X", message=EVIL, fix="look")]),
)
FAILED = run_pb2.Phase(
    phase_id="bad",
    state=run_pb2.PHASE_STATE_FAILED,
    attempts=[run_pb2.Attempt(number=1, change="c" * 40)],
    reasons=[Reason(code="NEW_FAILURES", message=EVIL, path="a.py", line=3)],
)


def test_optional_keys_are_left_out_where_there_is_nothing() -> None:
    document = run_document(a_run(run_pb2.RUN_STATE_FAILED, FAILED, WAITING), {})
    failed, waiting = document["phases"]
    assert not {"commit", "verdict", "approval"} & failed.keys()
    assert failed["attempts"][0]["change"] == "c" * 40
    assert failed["reasons"][0] == {
        "code": "NEW_FAILURES",
        "message": EVIL,
        "fix": "",
        "path": "a.py",
        "line": 3,
    }
    assert waiting["verdict"] == "NEEDS_APPROVAL"
    assert waiting["approval"]["command"] == f"autopack approve r1 ask --digest {'d' * 64}"
    assert "trace_url" not in document


def test_an_unknown_price_is_no_price() -> None:
    assert "usd" not in usage(Usage(seconds=1))
    assert usage(Usage(usd=0))["usd"] == 0


@pytest.mark.parametrize("state", [run_pb2.RUN_STATE_FAILED, run_pb2.RUN_STATE_WAITING_APPROVAL])
def test_nothing_untrusted_steers_the_terminal(capsys: pytest.CaptureFixture[str], state: int) -> None:
    run = a_run(state, FAILED, WAITING)
    print_run(run)
    with RunView(run, 0) as view:
        event = run_pb2.Event(sequence=1, phase_id=EVIL, state="PHASE_STATE_FAILED", reasons=FAILED.reasons)
        view.show(event)
    captured = capsys.readouterr()
    for printed in (captured.out, captured.err):
        assert "\x1b" not in printed
        assert "\u202e" not in printed
        assert "evil\\x1b[2J" in printed


def test_a_waiting_run_prints_the_exact_command_that_approves(capsys: pytest.CaptureFixture[str]) -> None:
    print_run(a_run(run_pb2.RUN_STATE_WAITING_APPROVAL, WAITING), "host:1")
    printed = capsys.readouterr().out
    assert f"  autopack approve r1 ask --digest {'d' * 64} --server host:1\n" in printed
    assert "git push" not in printed


def test_an_ended_run_prints_how_to_push_it(capsys: pytest.CaptureFixture[str]) -> None:
    print_run(a_run(run_pb2.RUN_STATE_SUCCEEDED), repo="/some/where")
    printed = capsys.readouterr().out
    assert "git -C /some/where push origin autopack/r1\n" in printed
    assert "git -C /some/where log --oneline aaaaaaaaaa..autopack/r1\n" in printed


def test_a_run_that_nobody_drives_prints_how_to_resume_it(capsys: pytest.CaptureFixture[str]) -> None:
    run = a_run(run_pb2.RUN_STATE_RUNNING)
    print_run(run)
    assert "autopack resume r1\n" in capsys.readouterr().out
    run.driven = True
    print_run(run)
    assert "resume" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("remote", "line"),
    [
        ("https://github.com/o/r.git", "open https://github.com/o/r/compare/autopack/r1?expand=1"),
        ("git@github.com:o/r.git", "open https://github.com/o/r/compare/autopack/r1?expand=1"),
        ("ssh://git@github.com/o/r", "open https://github.com/o/r/compare/autopack/r1?expand=1"),
        ("https://me:secret@github.com/o/r", "open https://github.com/o/r/compare/autopack/r1?expand=1"),
        (
            "git@gitlab.example.com:g/s/r.git",
            "open https://gitlab.example.com/g/s/r/-/merge_requests/new"
            "?merge_request%5Bsource_branch%5D=autopack%2Fr1",
        ),
        ("/srv/git/r.git", "gh pr create --head autopack/r1 --fill"),
        ("", "gh pr create --head autopack/r1 --fill"),
    ],
)
def test_a_pull_request_is_opened_where_the_remote_is(remote: str, line: str) -> None:
    assert pull_request_line("autopack/r1", remote) == line


def test_urls_are_handed_on_and_directories_are_resolved(repository: object, tmp_path: Path) -> None:
    for url in ("https://example.org/r.git", "ssh://git@example.org/r", "git@example.org:o/r.git"):
        assert repository_of(url, all_in_one=True).url == url
    assert repository_of(str(tmp_path / "repository"), all_in_one=True).path == str(tmp_path / "repository")
    with pytest.raises(NotFound, match="REPOSITORY_NOT_FOUND"):
        repository_of(str(tmp_path / "no"), all_in_one=True)


def test_a_server_is_given_the_remote_of_a_directory(repository: object, tmp_path: Path) -> None:
    directory = str(tmp_path / "repository")
    with pytest.raises(InvalidInput, match="REMOTE_NOT_FOUND"):
        repository_of(directory, all_in_one=False)
    repository.git("remote", "add", "origin", "https://example.org/r.git")  # type: ignore[attr-defined]
    assert repository_of(directory, all_in_one=False).url == "https://example.org/r.git"
