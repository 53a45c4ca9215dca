"""What an agent's sandbox is made of, part by part: the proxy, the adapters, the reports."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autopack.errors import FailedPrecondition, InvalidInput
from builder_svc.builders.agent.adapter import Report, load_adapter
from builder_svc.builders.agent.inside import Connection, splice
from builder_svc.builders.agent.installed import BUILT_IN, Installed
from builder_svc.builders.agent.proxy import FilteringProxy, canonical_target
from builder_svc.builders.agent.report import read_report
from builder_svc.config import Config
from tests.builder_svc.agent_harness import greeter

REPORT = Report("r", "json", ("a.*.n",), ("out",), "end", ("done", True))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["a", "n", "out", "end", "x"]), inner),
)


@asynccontextmanager
async def a_proxy(directory: Path, hosts: Sequence[str]) -> AsyncIterator[tuple[FilteringProxy, Path]]:
    proxy = FilteringProxy(hosts, 1_000_000, lambda sent, received: None)
    async with proxy.serving(directory / "proxy.sock"):
        yield proxy, directory / "proxy.sock"


async def said(path: Path, request: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(request)
    async with asyncio.timeout(20):
        answer = await reader.read()
    writer.close()
    return answer


async def test_a_tunnel_carries_both_ways_until_each_side_is_through(tmp_path: Path) -> None:
    async def reverse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.read())[::-1])  # answers only after the end of what it is sent
        writer.close()

    async with await asyncio.start_server(reverse, "127.0.0.1", 0) as server:
        host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with a_proxy(tmp_path, [host]) as (proxy, path):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(f"CONNECT {host} HTTP/1.1\r\n\r\n".encode())
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 200 Connection established\r\n\r\n"
            writer.write(b"abc" * 100_000)
            writer.write_eof()
            assert await reader.read() == b"cba" * 100_000
            writer.close()
    assert (proxy.sent, proxy.received) == (300_000, 300_000)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "169.254.169.254", "::1", "fd00:ec2::254", "::ffff:169.254.1.1"]
)
async def test_a_name_that_leads_to_this_machine_or_to_metadata_is_not_followed(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def resolve(*_: object, **__: object) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    async with a_proxy(tmp_path, ["api.example.com:443"]) as (proxy, path):
        answer = await said(path, b"CONNECT API.example.com.:443 HTTP/1.1\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 502 ")
    assert "is never reached from a sandbox" in proxy.targets["api.example.com:443"].failure


async def test_metadata_is_not_reached_even_where_a_policy_names_it(tmp_path: Path) -> None:
    async with a_proxy(tmp_path, ["169.254.169.254:80"]) as (_, path):
        assert b" 502 " in await said(path, b"GET http://169.254.169.254/ HTTP/1.1\r\n\r\n")


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET / HTTP/1.1",
        b"CONNECT {host}/x HTTP/1.1",
        b"CONNECT user@{host} HTTP/1.1",
        b"CONNECT evil.test:443#@{host} HTTP/1.1",
        b"GET http://user@{host}/ HTTP/1.1",
        b"GET http://:80/ HTTP/1.1",
        b"\x16\x03\x01",
    ],
)
async def test_what_is_no_request_for_a_named_host_is_refused(tmp_path: Path, request_line: bytes) -> None:
    async with greeter() as server, a_proxy(tmp_path, [server.host]) as (_, path):
        answer = await said(path, request_line.replace(b"{host}", server.host.encode()) + b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert server.heads == []


async def test_a_second_request_on_a_connection_goes_nowhere_else(tmp_path: Path) -> None:
    async with greeter() as server, greeter() as other, a_proxy(tmp_path, [server.host]) as (_, path):
        request = f"GET http://{server.host}/ HTTP/1.1\r\n\r\nGET http://{other.host}/ HTTP/1.1\r\n\r\n"
        await said(path, request.encode())
    assert len(server.heads) == 1
    assert other.heads == []


async def test_what_is_asked_for_is_recorded_within_bounds(tmp_path: Path) -> None:
    async with a_proxy(tmp_path, []) as (proxy, path):
        for number in range(110):
            await said(path, f"CONNECT h{number}.test:443 HTTP/1.1\r\n\r\n".encode())
    assert len(proxy.record()) == 101
    assert proxy.record()[-1] == {
        "host": "others",
        "allowed": False,
        "connections": 10,
        "sent": 0,
        "received": 0,
    }


@given(st.text(alphabet="aZ0.:[]@/#?%-f \n", max_size=20))
def test_a_target_has_one_spelling(text: str) -> None:
    try:
        target = canonical_target(text)
    except ValueError:
        return
    assert canonical_target(target) == target
    assert not set("@/#? \n") & set(target)


async def test_a_side_that_goes_away_ends_a_splice(tmp_path: Path) -> None:
    ends: list[Connection] = []
    met = asyncio.Event()

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends.append((reader, writer))
        if len(ends) == 2:
            met.set()

    async with await asyncio.start_unix_server(meet, tmp_path / "s"):
        one = await asyncio.open_unix_connection(tmp_path / "s")
        other = await asyncio.open_unix_connection(tmp_path / "s")
        await met.wait()
        carrying = asyncio.create_task(splice(ends[0], ends[1]))
        one[1].transport.abort()
        assert await other[0].read() == b""
        other[1].close()
        async with asyncio.timeout(20):
            await carrying


@pytest.mark.parametrize("path", sorted(BUILT_IN.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_adapters_that_come_with_it_are_sound(path: Path) -> None:
    adapter = load_adapter(path.read_text(), path.name)
    assert adapter.programs
    assert adapter.install
    assert adapter.outage
    assert "AUTOPACK_PROMPT" in adapter.run


def test_an_adapter_of_the_machine_comes_before_one_that_is_built_in(tmp_path: Path) -> None:
    (tmp_path / "aider.yaml").write_text("version: 1\nrun: 'true'\n")
    assert Installed((), tmp_path).adapter("aider").run == "true"
    with pytest.raises(FailedPrecondition) as caught:
        Installed((), tmp_path).adapter("aidr")
    assert "`aider`" in caught.value.reasons[0].fix


def test_faults_of_an_adapter_name_key_and_line() -> None:
    with pytest.raises(InvalidInput) as caught:
        load_adapter("version: 1\nrun: x\nreprot: {file: a}\nprograms: [/bin/sh]\n", "x.yaml")
    assert [(reason.line, reason.path) for reason in caught.value.reasons] == [(3, "x.yaml"), (4, "x.yaml")]


def test_where_agents_are_is_a_setting_that_is_checked(tmp_path: Path) -> None:
    environ = {"AUTOPACK_AGENT_DIRECTORIES": f"{tmp_path}:/usr", "AUTOPACK_AGENT_ADAPTERS": str(tmp_path)}
    assert Config.from_environ(environ).agents == Installed((tmp_path, Path("/usr")), tmp_path)
    with pytest.raises(InvalidInput, match="SETTING_INVALID"):
        Config.from_environ({"AUTOPACK_AGENT_DIRECTORIES": "agents"})


def test_a_report_in_lines_is_added_up_and_its_last_end_counts() -> None:
    report = Report("r", "json-lines", ("u.in",), ("u.out",), "type", ("done",))
    lines = [{"type": "done", "u": {"in": 1, "out": 2}}, {"u": {"in": 3, "out": True}}, {"type": "failed"}]
    said = read_report(report, b"noise\n" + b"\n".join(json.dumps(line).encode() for line in lines))
    assert (said.input_tokens, said.output_tokens, said.ended_well) == (4, 2, False)


@pytest.mark.parametrize("content", [None, b"", b"[" * 100_000, b"\xff", b'{"end": 1}', b'{"end": "Done"}'])
def test_a_report_that_says_nothing_good_is_no_good_end(content: bytes | None) -> None:
    said = read_report(REPORT, content)
    assert (said.ended_well, said.input_tokens, said.output_tokens) == (False, None, None)


@settings(max_examples=40)
@given(JSON)
def test_any_report_is_read(document: Any) -> None:
    said = read_report(REPORT, json.dumps(document).encode())
    assert said.input_tokens is None or said.input_tokens >= 0
    assert not said.ended_well or document["end"] in ("done", True)
