"""The builder `command`: a shell line in the sandbox, whose changes are the change."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from autopack.api.builder.v1 import build_pb2
from autopack.errors import Reason
from autopack.sandbox import probe
from builder_svc.config import Config
from tests.builder_svc.builder_harness import FILES, Client, Owner, codes, command, failure, running_builder

SLEEPING = "sleep\x00321\x00"


@pytest.fixture(params=["namespaces", "landlock"])
async def on_each_tier(request: pytest.FixtureRequest, owner: Owner, config: Config) -> AsyncIterator[Client]:
    if request.param not in (await asyncio.to_thread(probe)).tiers:
        pytest.skip(f"no {request.param} on this machine")
    async with running_builder(owner, replace(config, sandbox_tier=request.param)) as made:
        yield made


async def test_what_a_command_changes_is_the_change(on_each_tier: Client) -> None:
    client = on_each_tier
    line = "sed -i s/1/2/ src/a.py; rm src/b.py; mkdir src/c; echo '#!/bin/sh' >src/c/run; chmod +x src/c/run"
    build = await client.build(client.request(command(line)))
    assert client.changed(build) == {
        "src/a.py": b"def a():\n    return 2\n",
        "src/b.py": None,
        "src/c/run": b"#!/bin/sh\n",
    }
    assert build.builder_kind == "command"
    assert len(build.exchange_digest) == 64


async def test_formatters_of_our_environment_are_there_and_their_caches_are_no_change(client: Client) -> None:
    files = {**FILES, "src/a.py": b"import os\nx = {  'a':1 }\n", ".gitignore": b"*.log\n!keep.log\n"}
    line = "ruff check -q --fix src; ruff format -q src; touch src/x.log src/keep.log"
    build = await client.build(client.request(command(line), files=files))
    assert client.changed(build) == {"src/a.py": b'x = {"a": 1}\n', "src/keep.log": b""}


async def test_the_base_stays_as_it_is_for_the_next_build(client: Client) -> None:
    request = client.request(command("rm -rf src/a.py tests; exit 1"))
    assert failure(await client.build(request)) == "COMMAND_FAILED"
    build = await client.build(client.request(command("cat src/a.py tests/* >src/all"), base=request.base))
    assert client.changed(build) == {"src/all": FILES["src/a.py"] + FILES["tests/test_a.py"]}


async def test_a_command_sees_goal_phase_attempt_and_why_earlier_attempts_were_refused(
    on_each_tier: Client,
) -> None:
    client = on_each_tier
    line = """\
printf '%s|%s|%s' "$AUTOPACK_GOAL" "$AUTOPACK_PHASE" "$AUTOPACK_ATTEMPT" >src/words
cp "$AUTOPACK_FEEDBACK" src/feedback.json
"""
    reason = Reason("CHECK_FAILED", "a\x1b[31m red", "mend it", "src/a.py", 3)
    recalled = build_pb2.RecalledText(
        text="known", source="docs/DEBUG_LOG.md", entry_id="DBG-1", trust="accepted"
    )
    request = client.request(
        command(line), attempt=2, feedback=[reason], recalled=[recalled], goal="say 'hi'; $(no)"
    )
    changed = client.changed(await client.build(request))
    assert changed["src/words"] == b"say 'hi'; $(no)|phase|2"
    assert json.loads(changed["src/feedback.json"] or b"") == {
        "attempt": 2,
        "reasons": [
            {
                "code": "CHECK_FAILED",
                "message": "a\x1b[31m red",
                "fix": "mend it",
                "path": "src/a.py",
                "line": 3,
            }
        ],
        "recalled": [
            {"text": "known", "source": "docs/DEBUG_LOG.md", "entry_id": "DBG-1", "trust": "accepted"}
        ],
    }


async def test_a_scripted_builder_does_something_else_after_a_refusal(client: Client) -> None:
    line = """python - <<'END'
import json, os
refused = json.load(open(os.environ["AUTOPACK_FEEDBACK"]))["reasons"]
open("src/a.py", "w").write("2" if any(r["code"] == "CHECK_FAILED" for r in refused) else "1")
END"""
    first = client.request(command(line))
    second = client.request(
        command(line), base=first.base, attempt=2, feedback=[Reason("CHECK_FAILED", "no", "yes")]
    )
    assert client.changed(await client.build(first)) == {"src/a.py": b"1"}
    assert client.changed(await client.build(second)) == {"src/a.py": b"2"}


async def test_the_feedback_cannot_be_written(on_each_tier: Client) -> None:
    client = on_each_tier
    build = await client.build(client.request(command('echo x >"$AUTOPACK_FEEDBACK"')))
    assert failure(build) == "COMMAND_FAILED"


async def test_a_command_that_fails_shows_the_end_of_its_output_without_its_escapes(client: Client) -> None:
    line = "seq 100000; printf '\\033[31mred\\033[0m \\007 last words'; exit 3"
    build = await client.build(client.request(command(line)))
    assert failure(build) == "COMMAND_FAILED"
    message = build.reasons[0].message
    assert "exit status 3" in message
    assert message.endswith("\\x1b[31mred\\x1b[0m \\x07 last words")
    assert len(message) < 5000
    assert "\x1b" not in message


async def test_a_command_killed_by_a_signal_says_so(client: Client) -> None:
    build = await client.build(client.request(command("kill -9 $$")))
    assert failure(build) == "COMMAND_FAILED"
    assert "signal 9" in build.reasons[0].message


async def test_a_command_that_prints_a_gigabyte_is_survived(client: Client) -> None:
    build = await client.build(client.request(command("head -c 1000000000 /dev/zero | tr '\\0' x; echo end")))
    assert failure(build) == "COMMAND_OVER_LIMIT"
    assert "output" in build.reasons[0].message
    assert build.ByteSize() < 20_000


async def test_a_command_that_takes_too_long_is_stopped(client: Client) -> None:
    build = await client.build(client.request(command("echo begun; sleep 100 & wait"), seconds=1))
    assert failure(build) == "BUILD_TIMED_OUT"
    assert "begun" in build.reasons[0].message
    assert 0.9 < build.usage.seconds < 5


async def test_a_command_that_changes_nothing_is_refused(client: Client) -> None:
    assert failure(await client.build(client.request(command("true")))) == "NO_CHANGE"
    assert (
        failure(await client.build(client.request(command("cat src/a.py >x; mv x src/a.py")))) == "NO_CHANGE"
    )


async def test_what_a_command_changes_out_of_scope_is_refused_with_every_path(client: Client) -> None:
    line = "echo >>src/a.py; echo >>tests/test_a.py; rm README.md; mkdir .github; echo >.github/x"
    build = await client.build(client.request(command(line)))
    assert set(codes(build)) == {
        ("PATH_OUT_OF_SCOPE", "tests/test_a.py"),
        ("PATH_OUT_OF_SCOPE", "README.md"),
        ("PATH_PROTECTED", ".github/x"),
    }


async def test_links_out_of_the_tree_and_special_files_are_refused(client: Client) -> None:
    build = await client.build(client.request(command("ln -s /etc/passwd src/x; mkfifo src/y")))
    assert {code for code, _ in codes(build)} == {"SYMLINK_ESCAPES", "SPECIAL_FILE"}


async def test_a_command_has_no_network_and_not_our_environment(client: Client) -> None:
    connect = "import socket; socket.create_connection(('127.0.0.1', 1))"
    line = f'env >src/env; python -c "{connect}" 2>>src/env || true'
    changed = client.changed(await client.build(client.request(command(line))))
    assert b"MODEL_KEY" not in (changed["src/env"] or b"")
    assert b"Error" in (changed["src/env"] or b"")


async def test_cancelling_kills_the_whole_process_tree_at_once(client: Client) -> None:
    request = client.request(command("setsid sleep 321 & sleep 321"))
    await client.start(request)
    await asyncio.to_thread(_wait_for, SLEEPING)
    before = time.monotonic()
    build = await client.cancel(request.request_id)
    assert time.monotonic() - before < 2
    assert build.state == build_pb2.BUILD_STATE_CANCELLED
    assert build.reasons[0].code == "BUILD_CANCELLED"
    assert build.usage.seconds > 0
    assert not _processes(SLEEPING)
    assert await client.wait(request.request_id) == build


def _wait_for(command_line: str) -> None:
    deadline = time.monotonic() + 20
    while not _processes(command_line):
        assert time.monotonic() < deadline
        time.sleep(0.02)  # nothing that we could wait on gets out of a sandbox


def _processes(command_line: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().decode(errors="replace") == command_line:
                found.append(path.parent.name)
        except OSError:
            continue
    return found


async def test_a_tier_that_this_machine_does_not_have_is_refused(owner: Owner, config: Config) -> None:
    policy = "version: 1\nsandbox: {tier: namespaces}\n"
    async with running_builder(owner, replace(config, sandbox_tier="landlock")) as client:
        build = await client.build(client.request(command("true"), policy=policy))
    assert failure(build) == "SANDBOX_UNAVAILABLE"
