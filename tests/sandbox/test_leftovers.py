"""What a killed process had just begun to start does not stay for ever."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from autopack.sandbox.leftovers import OWNER, end_leftovers, owner

WAITS = [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()"]


@pytest.fixture
def start() -> Iterator[list[subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.kill()
        process.communicate()


def begin(started: list[subprocess.Popen[bytes]], whose: str) -> subprocess.Popen[bytes]:
    """A program that says whose it is, and waits for its owner."""
    process = subprocess.Popen(
        WAITS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, OWNER: whose}
    )
    assert process.stdout is not None
    process.stdout.readline()
    started.append(process)
    return process


def test_a_program_of_a_dead_process_is_ended(start: list[subprocess.Popen[bytes]]) -> None:
    dead = begin(start, "")
    whose = owner(dead.pid)
    dead.kill()
    dead.communicate()
    waiting = begin(start, whose)

    end_leftovers()

    assert waiting.wait(10) == -9


def test_those_of_the_living_and_of_other_containers_go_on(start: list[subprocess.Popen[bytes]]) -> None:
    ours = owner(os.getpid())
    elsewhere = f"1/1/{int(ours.rpartition('/')[2]) + 1}"
    others = [begin(start, whose) for whose in (ours, elsewhere, "nonsense", "")]

    end_leftovers()

    assert [process.poll() for process in others] == [None] * 4
