"""What happens to a run when the command that drives it goes away."""

import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

POLICY = "version: 1\nchecks: [{name: there, run: 'test -s made.txt', reports: none}]\n"
PLAN = {
    "version": 1,
    "name": "slow",
    "phases": [
        {
            "id": "slow",
            "goal": "make a file slowly",
            "scope": {"paths": ["made.txt"]},
            "builder": {"kind": "command", "run": "sleep 2; echo made > made.txt"},
        }
    ],
}


@pytest.fixture
def plan(repository: Any, tmp_path: Path) -> str:
    """A plan whose builder takes its time."""
    repository.commit({"autopack.yaml": POLICY})
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump(PLAN))
    return str(path)


def start_building(autopack: Any, plan: str) -> subprocess.Popen[bytes]:
    """A command whose run is in the midst of building."""
    command: subprocess.Popen[bytes] = autopack.start("run", plan, "--run-id", "slow")
    assert command.stderr
    for line in command.stderr:
        if b"slow BUILDING" in line:
            return command
    raise AssertionError(f"ended with {command.wait()}")


def test_an_interrupted_run_can_be_resumed_and_that_is_said(autopack: Any, plan: str) -> None:
    command = start_building(autopack, plan)
    command.send_signal(signal.SIGINT)
    _, err = command.communicate(timeout=60)
    assert command.returncode == 130
    assert b"autopack resume slow" in err
    assert autopack.processes() == []
    assert autopack.sockets() == []

    assert "autopack resume slow" in autopack("status", "slow").stdout
    looked_at = autopack("show", "slow", "--json").json
    assert looked_at["state"] == "RUNNING"
    assert looked_at["phases"][0]["state"] == "BUILDING", "looking drives nothing"

    resumed = autopack("resume", "slow", "--json")
    assert (resumed.code, resumed.json["state"]) == (0, "SUCCEEDED")
    assert len(resumed.json["phases"][0]["attempts"]) == 1, "an interruption costs no attempt"


def test_a_killed_command_leaves_no_process_and_a_run_that_goes_on(
    autopack: Any, plan: str, wait_until: Any
) -> None:
    command = start_building(autopack, plan)
    command.kill()
    command.communicate(timeout=60)
    wait_until(lambda: autopack.processes() == [], 60)
    assert autopack.sockets() == []
    resumed = autopack("resume", "slow", "--json")
    assert (resumed.code, resumed.json["state"]) == (0, "SUCCEEDED")


def test_a_run_whose_host_was_killed_says_so_and_goes_on(autopack: Any, plan: str) -> None:
    command = start_building(autopack, plan)
    for process in autopack.processes():
        if process != command.pid:
            subprocess.run(["kill", "-KILL", str(process)], check=False)
    _, err = command.communicate(timeout=60)
    assert command.returncode == 4, err
    resumed = autopack("resume", "slow", "--json")
    assert (resumed.code, resumed.json["state"]) == (0, "SUCCEEDED")


def test_a_run_leaves_no_process_and_no_socket(autopack: Any, plan: str) -> None:
    ended = autopack("run", plan, "--run-id", "slow", "--json")
    assert (ended.code, ended.json["state"]) == (0, "SUCCEEDED")
    assert autopack.processes() == []
    assert autopack.sockets() == []


def test_an_interruption_with_json_is_one_document(autopack: Any, plan: str) -> None:
    command = autopack.start("run", plan, "--run-id", "slow", "--json")
    assert command.stderr
    assert any(b"slow BUILDING" in line for line in command.stderr)
    command.send_signal(signal.SIGINT)
    out, _ = command.communicate(timeout=60)
    assert command.returncode == 130
    assert yaml.safe_load(out)["error"]["code"] == "INTERRUPTED"
