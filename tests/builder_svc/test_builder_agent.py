"""The builder `agent`: a coding agent's command line in the sandbox, with a way to the named hosts only."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from autopack.api.builder.v1 import build_pb2
from autopack.database.database import Database
from autopack.errors import Reason
from autopack.sandbox import probe
from builder_svc.__main__ import MIGRATIONS
from builder_svc.builders.agent.installed import Installed
from builder_svc.builders.secrets import Secrets
from builder_svc.config import Config
from builder_svc.storage.exchanges import ExchangeStore
from tests.builder_svc.agent_harness import greeter, policy, set_up
from tests.builder_svc.builder_harness import (
    Client,
    Owner,
    codes,
    failure,
    named,
    running_builder,
    serving_owner,
)

MEND = "sed -i s/1/2/ src/a.py"
MENDED = {"src/a.py": b"def a():\n    return 2\n"}
SECRET = "sk-very-secret"
SECRETS = {"MODEL_KEY": SECRET, "OTHER_KEY": "another-secret"}
PROVIDER = "api.example.com:443"
KEYS = {"programs", "install", "environment", "leaves", "report", "outage", "runs"}
REPORT = {
    "file": "said.json",
    "input_tokens": ["turns.*.usage.in"],
    "output_tokens": ["turns.*.usage.out"],
    "end": "how",
    "accepted": ["done"],
}

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(slots=True)
class Machine:
    """A running builder, on which the adapter `scripted` is what a test last set up."""

    client: Client
    adapters: Path

    async def build(
        self, run: str, *, hosts: Sequence[str] = (), secrets: Sequence[str] = (), **given: Any
    ) -> build_pb2.Build:
        """`given` are keys of the adapter, and words of the request."""
        set_up(self.adapters, run, **{key: given.pop(key) for key in KEYS & given.keys()})
        settings = {key: given.pop(key) for key in ("adapter", "model", "endpoint") if key in given}
        text = policy(hosts, secrets, **settings) + given.pop("checks", "")
        return await self.client.build(self.client.request(named(), policy=text, **given))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def machine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Machine]:
    if "namespaces" not in (await asyncio.to_thread(probe)).tiers:
        pytest.skip("no namespaces on this machine")
    directory = tmp_path_factory.mktemp("agent")
    tools, adapters = directory / "tools", directory / "adapters"
    (tools / "bin").mkdir(parents=True)
    adapters.mkdir()
    async with serving_owner(directory / "owner.git") as owner:
        config = Config(directory / "builder", "127.0.0.1:0", Secrets(SECRETS.get))
        config = replace(config, agents=Installed((tools,), adapters))
        async with running_builder(owner, config) as client:
            yield Machine(client, adapters)


async def exchange(client: Client, build: build_pb2.Build) -> dict[str, Any]:
    """What was recorded of the agent's run."""
    database = await asyncio.to_thread(Database.open, client.config.url, MIGRATIONS)
    try:
        document = json.loads(await ExchangeStore(database, lambda: 0.0).read(build.exchange_digest) or b"{}")
    finally:
        await database.close()
    assert document["kind"] == "agent"
    (call,) = document["exchange"]
    assert isinstance(call, dict)
    return call


async def test_what_an_agent_changes_is_the_change_and_its_notes_are_not(machine: Machine) -> None:
    line = f"{MEND}; touch .notes.md; mkdir src/.agent; touch src/.agent/x"
    build = await machine.build(line, leaves=[".notes*", ".agent/"])
    assert machine.client.changed(build) == MENDED
    assert build.builder_kind == "agent"


async def test_an_agent_is_told_goal_scope_checks_hints_refusals_and_memory(machine: Machine) -> None:
    build = await machine.build(
        'cp "$AUTOPACK_PROMPT" src/prompt; echo "$AUTOPACK_MODEL $TONE" >>src/prompt',
        environment={"TONE": "dry"},
        model="m-1",
        checks="checks: [{name: tests, run: make test}]\n",
        goal="Say 'hi'; $(no)",
        hints=["be brief"],
        attempt=2,
        feedback=[Reason("CHECK_FAILED", "a\x1b[31m red", "mend it", "src/a.py", 3)],
        recalled=[build_pb2.RecalledText(text="mind the gap\nx", source="docs/DEBUG_LOG.md", trust="low")],
    )
    text = (machine.client.changed(build)["src/prompt"] or b"").decode()
    assert text.startswith("Say 'hi'; $(no)\n\nYou may change only:\n- src/**\n\nMind:\n- be brief\n")
    assert "These commands judge the change:\n- make test\n" in text
    assert "> CHECK_FAILED: src/a.py:3 a\\x1b[31m red\n" in text
    assert "> mind the gap\n> x\n" in text
    assert text.endswith("m-1 dry\n")


async def test_an_agent_reaches_the_named_hosts_and_nothing_else(machine: Machine) -> None:
    script = (Path(__file__).parent / "agent_reaching.py").read_text()
    async with greeter() as allowed, greeter() as other:
        with socket.socket(socket.AF_UNIX) as abstract:
            abstract.bind(f"\0autopack-{other.host}")
            abstract.listen()
            line = f"python - {allowed.host} {other.host} >src/found.json <<'END'\n{script}\nEND"
            build = await machine.build(line, hosts=[allowed.host])
    found = json.loads(machine.client.changed(build)["src/found.json"] or b"")
    reached = {"the named host": "200", "the named host as if it were here": "hello"}
    assert {way: answer for way, answer in found.items() if answer not in ("403", "unreachable")} == reached
    assert len(found) == 16
    assert other.heads == []
    assert (
        allowed.heads[0]
        == b"GET /a?b HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % allowed.host.encode()
    )
    recorded = (await exchange(machine.client, build))["hosts"]
    assert {(entry["host"], entry["allowed"], entry["connections"]) for entry in recorded} == {
        (allowed.host, True, 2),
        (other.host, False, 2),
        (f"2130706433:{other.port}", False, 1),
        ("example.com:443", False, 1),
        ("169.254.169.254:80", False, 1),
    }


async def test_an_agent_without_hosts_has_no_way_out_at_all(machine: Machine) -> None:
    build = await machine.build("env | grep -ic proxy >src/count || true")
    assert machine.client.changed(build) == {"src/count": b"0\n"}


async def test_an_agent_sees_the_secrets_named_for_it_and_none_of_them_is_kept(machine: Machine) -> None:
    line = f'echo "$MODEL_KEY"; env | grep -c KEY >src/count; {MEND}'
    build = await machine.build(line, hosts=[PROVIDER], secrets=["MODEL_KEY"])
    assert machine.client.changed(build) == {**MENDED, "src/count": b"1\n"}
    assert (await exchange(machine.client, build))["output"] == "[redacted]\n"


@pytest.mark.parametrize("line", ['printf "x=%s" "$MODEL_KEY" >src/a.py', 'touch "src/$MODEL_KEY"'])
async def test_a_change_that_carries_a_secret_out_is_refused(machine: Machine, line: str) -> None:
    build = await machine.build(line, hosts=[PROVIDER], secrets=["MODEL_KEY"])
    assert failure(build) == "SECRET_IN_CHANGE"
    assert SECRET not in str(build)


async def test_what_an_agent_changes_outside_its_scope_or_in_git_is_refused(machine: Machine) -> None:
    line = f"{MEND}; echo >>README.md; mkdir -p .git/hooks .github; touch .git/hooks/post-checkout .github/x"
    build = await machine.build(f"{line}; touch .gitattributes; echo >>autopack.yaml")
    assert set(codes(build)) == {
        ("PATH_OUT_OF_SCOPE", "README.md"),
        ("PATH_PROTECTED", ""),  # no path that git could have: `.git/hooks/post-checkout`
        ("PATH_PROTECTED", ".github/x"),
        ("PATH_PROTECTED", ".gitattributes"),
        ("PATH_PROTECTED", "autopack.yaml"),
    }


async def test_an_agents_report_says_what_it_spent_and_is_kept(machine: Machine) -> None:
    said = json.dumps({"turns": [{"usage": {"in": 70, "out": 7}}, {"usage": {"in": 7}}], "how": "done"})
    build = await machine.build(f"{MEND}; echo '{said}' >$AUTOPACK_REPORTS/said.json", report=REPORT)
    assert machine.client.changed(build) == MENDED
    assert (build.usage.input_tokens, build.usage.output_tokens) == (77, 7)
    assert json.loads((await exchange(machine.client, build))["report"]) == json.loads(said)


async def test_an_agent_that_does_not_report_a_good_end_has_failed(machine: Machine) -> None:
    line = f'{MEND}; echo \'{{"how": "gave up"}}\' >$AUTOPACK_REPORTS/said.json'
    build = await machine.build(line, report=REPORT)
    assert failure(build) == "AGENT_FAILED"
    assert 'it says "gave up"' in build.reasons[0].message


async def test_an_agent_that_fails_shows_its_end_and_what_it_was_kept_from(machine: Machine) -> None:
    line = 'curl -s http://telemetry.example.com/ || true; printf "\\033[31mno\\n"; exit 3'
    build = await machine.build(line, hosts=[PROVIDER])
    assert failure(build) == "AGENT_FAILED"
    assert "exit status 3; it was kept from reaching telemetry.example.com:80" in build.reasons[0].message
    assert build.reasons[0].message.endswith("\\x1b[31mno")


@pytest.mark.parametrize("line", ["echo RateLimitError", "echo RateLimitError; exit 1", "curl -s $URL"])
async def test_an_outage_is_no_failure_of_the_change(machine: Machine, line: str) -> None:
    async with greeter() as gone:
        host = gone.host
    build = await machine.build(f"URL=http://{host}/; {line}", hosts=[host], outage=["RateLimitError"])
    assert failure(build) == "BUILDER_UNAVAILABLE"


async def test_words_of_an_outage_do_not_undo_a_change(machine: Machine) -> None:
    build = await machine.build(f"{MEND}; echo after a RateLimitError", outage=["RateLimitError"])
    assert machine.client.changed(build) == MENDED


async def test_an_agent_that_sends_more_than_its_tokens_can_be_is_cut_off(machine: Machine) -> None:
    asking = "for n in 1 2 3 4 5; do curl -s -H X:$(head -c 3000 /dev/zero | tr '\\0' x)"
    async with greeter() as server:
        line = f"{asking} http://{server.host}/ || true; done; {MEND}"
        build = await machine.build(line, hosts=[server.host], tokens=1000)
    assert failure(build) == "BUDGET_EXHAUSTED"
    assert build.usage.input_tokens + build.usage.output_tokens == 1000


async def test_an_agent_that_says_nothing_is_charged_for_what_passed(machine: Machine) -> None:
    async with greeter() as server:
        build = await machine.build(f"curl -s http://{server.host}/ >src/a.py", hosts=[server.host])
    passed = (await exchange(machine.client, build))["hosts"][0]
    assert machine.client.changed(build) == {"src/a.py": b"hello"}
    assert (build.usage.input_tokens, build.usage.output_tokens) == (passed["sent"], passed["received"])
    assert passed["sent"] > 20


async def test_an_agent_that_takes_too_long_is_stopped(machine: Machine) -> None:
    build = await machine.build(f"{MEND}; echo begun; sleep 100", seconds=1)
    assert failure(build) == "BUILD_TIMED_OUT"
    assert "begun" in build.reasons[0].message


async def test_an_agent_that_changes_nothing_is_refused(machine: Machine) -> None:
    assert failure(await machine.build("true")) == "NO_CHANGE"


async def test_programs_of_the_installation_are_there_and_cannot_be_changed(machine: Machine) -> None:
    program = machine.adapters.with_name("tools") / "bin" / "mend"
    program.write_text(f"#!/bin/sh\n{MEND}; echo x >>{program} || touch src/refused\n")
    program.chmod(0o755)
    build = await machine.build("mend", programs=["mend"])
    assert machine.client.changed(build) == {**MENDED, "src/refused": b""}


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"adapter": "skripted"}, "UNKNOWN_ADAPTER"),
        ({"adapter": "../adapters/scripted"}, "UNKNOWN_ADAPTER"),
        ({"programs": ["no-such-program"]}, "AGENT_NOT_INSTALLED"),
        ({"runs": "x"}, "ADAPTER_INVALID"),
        ({"report": {"file": "x", "end": "how"}}, "ADAPTER_INVALID"),
        ({"endpoint": "http://127.0.0.1:1/v1"}, "HOST_NOT_ALLOWED"),
        ({"hosts": ["[::::]:1"]}, "ENDPOINT_INVALID"),
        ({"secrets": ["MODEL_KEY"]}, "SECRET_NOT_GRANTED"),
    ],
)
async def test_what_is_not_set_up_is_refused_before_anything_starts(
    machine: Machine, given: dict[str, Any], code: str
) -> None:
    assert failure(await machine.build(MEND, **given)) == code


@pytest.mark.asyncio(loop_scope="function")
async def test_a_secret_needs_leave_for_every_host_and_the_agent_a_tier_with_one_way_out(
    owner: Owner, config: Config, tmp_path: Path
) -> None:
    grants = {"MODEL_KEY": frozenset({PROVIDER})}
    set_up(tmp_path, MEND)
    config = replace(config, agents=Installed((), tmp_path), secrets=Secrets(SECRETS.get, grants))
    async with running_builder(owner, replace(config, sandbox_tier="landlock")) as client:
        ways = ([PROVIDER, "b.test:443"], "SECRET_NOT_GRANTED"), ([PROVIDER], "SANDBOX_UNAVAILABLE")
        for hosts, code in ways:
            build = await client.build(client.request(named(), policy=policy(hosts, ["MODEL_KEY"])))
            assert failure(build) == code
