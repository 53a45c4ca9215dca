"""What stays away is left alone, for longer and longer; what answers again is asked as before."""

import pytest

from autopack.chat.conversation import ChatError
from autopack.chat.network import Connections, NetworkLine
from autopack.circuit_breaker import FAILURES, LONGEST_PAUSE_SECONDS, CircuitBreaker
from autopack.errors import Unavailable
from autopack.gitstore import url_remote
from autopack.gitstore.command import GitFailed


class Clock:
    """Seconds that a test lets pass."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> CircuitBreaker:
    return CircuitBreaker(clock)


def test_single_failures_hold_nobody_up(breaker: CircuitBreaker) -> None:
    for _ in range(3 * FAILURES):
        breaker.told(away=True)
        breaker.told(away=False)
    assert breaker.wait_seconds() == 0


def test_after_failures_in_a_row_one_at_a_time_finds_out(breaker: CircuitBreaker, clock: Clock) -> None:
    for _ in range(FAILURES):
        assert breaker.wait_seconds() == 0
        breaker.told(away=True)
    assert breaker.wait_seconds() > 0
    clock.now += LONGEST_PAUSE_SECONDS
    assert [breaker.wait_seconds() == 0 for _ in range(3)] == [True, False, False]
    breaker.told(away=False)
    assert breaker.wait_seconds() == 0


def test_a_dead_one_is_asked_ever_more_rarely(breaker: CircuitBreaker, clock: Clock) -> None:
    """Ten callers that each try ten times a second, for five minutes."""
    asked = 0
    for _ in range(3000):
        for _ in range(10):
            if not breaker.wait_seconds():
                asked += 1
                breaker.told(away=True)
        clock.now += 0.1
    assert asked <= FAILURES + 25


def test_a_remote_that_is_away_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    commands = 0

    def away(*arguments: object, **named: object) -> bytes:
        nonlocal commands
        commands += 1
        raise GitFailed(128, "fatal: unable to connect to a.example")

    monkeypatch.setattr(url_remote, "run_git", away)
    remote = url_remote.UrlRemote("https://a.example/p.git")
    for _ in range(10 * FAILURES):
        with pytest.raises(Unavailable, match="REMOTE_UNREACHABLE"):
            remote.resolve("main")
    assert commands == FAILURES


def test_a_remote_that_refuses_is_not_away(monkeypatch: pytest.MonkeyPatch) -> None:
    commands = 0

    def unknown(*arguments: object, **named: object) -> bytes:
        nonlocal commands
        commands += 1
        raise GitFailed(128, "fatal: repository not found")

    monkeypatch.setattr(url_remote, "run_git", unknown)
    remote = url_remote.UrlRemote("https://a.example/p.git")
    for _ in range(2 * FAILURES):
        with pytest.raises(Exception, match="REPOSITORY_NOT_FOUND"):
            remote.resolve("main")
    assert commands == 2 * FAILURES


async def test_a_model_provider_that_is_away_is_left_alone() -> None:
    connections, record = Connections(), list[dict[str, object]]()
    try:
        # Each conversation has a line of its own; nobody listens there.
        for _ in range(5 * FAILURES):
            with pytest.raises(ChatError) as failed:
                await NetworkLine(connections, record).post("http://127.0.0.1:9/v1/chat", {}, {})
            assert failed.value.fault == "outage"
    finally:
        await connections.close()
    assert len(record) == FAILURES
    assert failed.value.wait
