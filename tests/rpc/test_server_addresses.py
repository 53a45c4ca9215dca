"""Where servers listen: private sockets, loopback, and nothing else in plain text."""

import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopack.api.memory.v1 import memory_service_pb2
from autopack.errors import FailedPrecondition, InvalidInput
from autopack.rpc.address import prepare_socket, stays_on_this_machine
from autopack.rpc.errors import call
from autopack.rpc.server import ServerSettings, create_server

QUERY = memory_service_pb2.RecallRequest(project_id="p", query="q")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o177])
async def test_a_socket_is_its_owners_alone_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        async with create_server(ServerSettings(f"unix:{tmp_path}/x.sock", drain_seconds=0), []):
            assert mode(tmp_path / "x.sock") == 0o600
    finally:
        os.umask(before)


async def test_the_directory_of_a_socket_is_made_private(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        async with create_server(ServerSettings(f"unix:{tmp_path}/run/x.sock", drain_seconds=0), []):
            assert mode(tmp_path / "run") == 0o700
    finally:
        os.umask(before)


@pytest.mark.parametrize("open_to", [0o001, 0o010, 0o055, 0o777])
def test_a_directory_that_others_may_enter_is_refused(tmp_path: Path, open_to: int) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run").chmod(0o700 | open_to)
    with pytest.raises(FailedPrecondition, match="SOCKET_DIRECTORY_OPEN") as caught:
        prepare_socket(tmp_path / "run" / "x.sock")
    assert "chmod 700" in caught.value.reasons[0].fix


async def test_a_socket_is_gone_after_the_stop(tmp_path: Path) -> None:
    async with create_server(ServerSettings(f"unix:{tmp_path}/x.sock", drain_seconds=0), []):
        pass
    assert not (tmp_path / "x.sock").exists()


async def test_a_socket_in_use_is_not_taken_over(serve: Any, tmp_path: Path) -> None:
    served = await serve(address=f"unix:{tmp_path}/x.sock")
    with pytest.raises(FailedPrecondition, match="ADDRESS_IN_USE"):
        await create_server(ServerSettings(f"unix:{tmp_path}/x.sock"), []).start()
    await call(served.recall(QUERY))


async def test_a_socket_left_by_a_dead_server_is_taken_over(serve: Any, tmp_path: Path) -> None:
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / "x.sock"))
    left.close()
    served = await serve(address=f"unix:{tmp_path}/x.sock")
    await call(served.recall(QUERY))


def test_a_file_that_is_no_socket_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "x.sock").write_text("precious")
    with pytest.raises(FailedPrecondition, match="ADDRESS_IN_USE"):
        prepare_socket(tmp_path / "x.sock")
    assert (tmp_path / "x.sock").read_text() == "precious"


def test_a_socket_path_that_linux_cannot_take_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="SOCKET_PATH_TOO_LONG"):
        prepare_socket(tmp_path / ("x" * 110))


async def test_port_zero_picks_one_and_says_which(serve: Any) -> None:
    served = await serve(address="127.0.0.1:0")
    assert served.server.address.startswith("127.0.0.1:")
    assert not served.server.address.endswith(":0")
    await call(served.recall(QUERY))


async def test_a_port_in_use_is_refused(serve: Any) -> None:
    served = await serve(address="127.0.0.1:0")
    with pytest.raises(FailedPrecondition, match="ADDRESS_IN_USE"):
        await create_server(ServerSettings(served.server.address), []).start()


async def test_a_start_that_fails_halfway_leaves_nothing_behind(serve: Any, tmp_path: Path) -> None:
    taken = (await serve(address="127.0.0.1:0")).server.address
    address = f"unix:{tmp_path}/x.sock"
    with pytest.raises(FailedPrecondition, match="ADDRESS_IN_USE"):
        await create_server(ServerSettings(address, health_address=taken, drain_seconds=0), []).start()
    served = await serve(address=address)
    await call(served.recall(QUERY))


@pytest.mark.parametrize(
    "address", ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "example.org:1", "localhost.example.org:1", ":1", "1"]
)
def test_plain_text_that_other_machines_reach_is_refused(address: str) -> None:
    with pytest.raises(InvalidInput, match="TLS_REQUIRED"):
        create_server(ServerSettings(address), [])


def test_plain_text_may_be_asked_for() -> None:
    create_server(ServerSettings("0.0.0.0:0", insecure=True), [])


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.8.8.8:1", "[::1]:1", "localhost:1", "unix:/x"])
def test_loopback_and_sockets_stay_on_the_machine(address: str) -> None:
    assert stays_on_this_machine(address)


@given(st.ip_addresses(v=4).filter(lambda address: not address.is_loopback))
def test_no_other_address_does(address: object) -> None:
    assert not stays_on_this_machine(f"{address}:1")
