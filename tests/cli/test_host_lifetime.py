"""The all-in-one for real: started when needed, shared, and gone with its last client."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from autopack.errors import Unavailable
from autopack.host.client import Host
from autopack.host.places import Places


def new_host(autopack: Any, *start: str) -> Host:
    return Host(Places(autopack.home), autopack.environ, start or ("orchestrator",))


@asynccontextmanager
async def held(autopack: Any, *start: str) -> AsyncIterator[Host]:
    host = new_host(autopack, *start)
    try:
        yield await host.open()
    finally:
        await host.close()


async def test_it_starts_for_a_client_and_is_gone_after_it(autopack: Any) -> None:
    async with held(autopack) as host:
        address = await host.address("orchestrator")
        path = Path(address.removeprefix("unix:"))
        assert stat.S_IMODE((await asyncio.to_thread(path.stat)).st_mode) == 0o600
        assert len(autopack.processes()) == 1
    assert autopack.processes() == []
    assert autopack.sockets() == []


async def test_two_clients_share_one_host_and_the_last_one_ends_it(autopack: Any) -> None:
    async with held(autopack) as first:
        before = await first.address("orchestrator")
        async with held(autopack) as second:
            assert await second.address("orchestrator") == before
            assert len(autopack.processes()) == 1
        assert len(autopack.processes()) == 1
    assert autopack.processes() == []


async def test_clients_that_come_at_once_start_one_host(autopack: Any) -> None:
    hosts = [new_host(autopack) for _ in range(4)]
    await asyncio.gather(*(host.open() for host in hosts))
    addresses = await asyncio.gather(*(host.address("orchestrator") for host in hosts))
    assert len(set(addresses)) == 1
    await asyncio.gather(*(host.close() for host in hosts))
    assert autopack.processes() == []


async def test_a_client_that_is_killed_counts_as_gone(autopack: Any, wait_until: Any) -> None:
    script = (
        "import asyncio, os, sys\n"
        "from autopack.host.client import Host\n"
        "from autopack.host.places import places_of\n"
        "async def main():\n"
        "    host = await Host(places_of(os.environ), os.environ, ['orchestrator']).open()\n"
        "    await host.address('orchestrator')\n"
        "    print('ready', flush=True)\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    client = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-c", script, env=autopack.environ, stdout=subprocess.PIPE
    )
    assert client.stdout
    assert await asyncio.wait_for(client.stdout.readline(), 60) == b"ready\n"
    client.kill()
    await client.wait()
    await asyncio.to_thread(wait_until, lambda: autopack.processes() == [])
    assert autopack.sockets() == []


async def test_who_comes_while_a_host_drains_gets_the_next_one(autopack: Any) -> None:
    first = await new_host(autopack).open()
    await first.address("orchestrator")
    closing = asyncio.create_task(first.close())
    await asyncio.sleep(0)
    async with held(autopack) as second:
        await closing
        assert await second.address("orchestrator")
    assert autopack.processes() == []


async def test_a_host_that_was_killed_is_replaced(autopack: Any) -> None:
    first = await new_host(autopack).open()
    await first.address("orchestrator")
    (process,) = autopack.processes()
    os.kill(process, signal.SIGKILL)
    await first.close()
    assert first.gone
    assert autopack.sockets() != [], "it could not clean up"
    async with held(autopack) as second:
        assert await second.address("orchestrator")
    assert autopack.sockets() == []


async def test_a_host_that_cannot_start_is_told(autopack: Any) -> None:
    environ = {
        **autopack.environ,
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http",
    }
    host = Host(Places(autopack.home), environ)
    with pytest.raises(Unavailable) as caught:
        await host.open()
    assert caught.value.reasons[0].code == "HOST_FAILED"
    assert "SETTING_INVALID" in caught.value.reasons[0].message
    await host.close()


def test_commands_of_a_home_with_a_long_path_work(autopack: Any, tmp_path: Path) -> None:
    home = tmp_path / ("long" * 30)
    ended = autopack("runs", "--json", AUTOPACK_HOME=str(home))
    assert (ended.code, ended.json) == (0, {"schema": "runs/v1alpha1", "runs": []})
    assert list(home.rglob("*.sock")) == []


def test_two_commands_at_once_share_it_safely(autopack: Any) -> None:
    commands = [autopack.start("runs", "--json") for _ in range(3)]
    for command in commands:
        out, err = command.communicate(timeout=120)
        assert command.returncode == 0, err
        assert b'"runs": []' in out
    assert autopack.processes() == []


def test_serve_all_stays_until_sigterm_and_serves_commands(autopack: Any, wait_until: Any) -> None:
    server = autopack.start("serve", "all")
    wait_until(lambda: len(autopack.sockets()) == 6, 120)
    assert autopack("runs").code == 0
    assert server.poll() is None
    second = autopack("serve", "all", "--help")
    assert second.code == 0
    assert autopack("serve", "all").code == 1, "there is one already"
    server.send_signal(signal.SIGTERM)
    assert server.wait(60) == 0
    server.communicate()
    assert autopack.sockets() == []


def test_the_current_directory_is_no_place_to_import_from(autopack: Any, repository: Any) -> None:
    repository.write({"grpc/__init__.py": "raise SystemExit('imported from the repository')\n"})
    assert autopack("runs", "--json").code in (0, 4)
    log = (autopack.home / "host.log").read_text()
    assert "imported from the repository" not in log


def test_a_thread_that_waits_for_ever_does_not_keep_the_host(autopack: Any, wait_until: Any) -> None:
    waiting = "import threading; threading.Thread(target=threading.Event().wait).start()"
    host = f"{waiting}; from autopack.host.__main__ import main; main(frozenset({{'orchestrator'}}), True)"
    process = subprocess.Popen([sys.executable, "-P", "-c", host], env=autopack.environ)
    wait_until(lambda: any("orchestrator.sock" in name for name in autopack.sockets()), 60)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
