"""`cancel` ends a running builder within two seconds, with every process that it has started."""

import asyncio
import time
from contextlib import suppress
from pathlib import Path

from autopack.api.builder.v1 import build_pb2
from autopack.rpc.channel import create_channel
from tests.builder_svc.builder_harness import command, serving_owner
from tests.crash.test_budgets_across_crashes import Mortal, client_of

SECONDS = 2.0
MARK = "31415.9265"
"""No other process sleeps so long."""
TREE = f"trap '' TERM; (trap '' TERM; sleep {MARK} & setsid sleep {MARK} & sleep {MARK}) & sleep {MARK}"


def sleeping() -> int:
    """How many processes of the tree there are."""
    found = 0
    for directory in Path("/proc").iterdir():
        # One may end while it is looked at.
        with suppress(OSError):
            words = (directory / "cmdline").read_bytes().split(b"\0")
            found += directory.name.isdigit() and MARK.encode() in words
    return found


async def test_the_whole_tree_is_gone_within_two_seconds(tmp_path: Path) -> None:
    (tmp_path / "builder").mkdir(mode=0o700)
    mortal = Mortal(tmp_path / "builder")
    mortal.process.start()
    process = mortal.process.process
    assert process is not None
    try:
        async with (
            serving_owner(tmp_path / "owner.git") as owner,
            create_channel(mortal.address) as channel,
        ):
            await asyncio.wait_for(channel.channel_ready(), 30)
            client = client_of(owner, mortal, channel)
            request = client.request(command(TREE))
            await client.start(request)
            async with asyncio.timeout(30):
                while sleeping() < 4:  # noqa: ASYNC110  # no event of ours can tell
                    await asyncio.sleep(0.05)
            begun = time.monotonic()
            build = await client.cancel(request.request_id)
            seconds = time.monotonic() - begun
            left = sleeping()
    finally:
        process.kill()
        process.wait()

    assert build.state == build_pb2.BUILD_STATE_CANCELLED
    assert left == 0
    assert seconds < SECONDS
