"""The service around the builders: done once, resumed after a restart, refused with a reason."""

import asyncio
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from autopack.api.builder.v1 import build_pb2
from autopack.api.plan.v1 import plan_pb2
from autopack.database.database import Database
from autopack.errors import AlreadyExists, InvalidInput, NotFound, PermissionDenied, Reason
from builder_svc.__main__ import MIGRATIONS
from builder_svc.builders.secrets import Secrets
from builder_svc.config import Config
from builder_svc.storage.exchanges import ExchangeStore
from tests.builder_svc.builder_harness import (
    Client,
    Owner,
    command,
    failure,
    named,
    running_builder,
    serving_owner,
    whole,
)
from tests.builder_svc.scripted_model import Answer, ScriptedModel, edits, scripted_model

PATCH = whole({"src/a.py": "new\n"})


def policy(model: ScriptedModel) -> str:
    return f"version: 1\nbuilders: {{local: {{kind: model, model: m, endpoint: '{model.endpoint}'}}}}\n"


async def test_a_start_that_waits_brings_the_build_and_is_the_same_start(client: Client) -> None:
    request = client.request(command("echo >src/x"))
    request.wait_seconds = 20
    build = await client.start(request)
    assert build.state == build_pb2.BUILD_STATE_SUCCEEDED
    request.wait_seconds = 0
    assert await client.start(request) == build


async def test_builds_survive_a_restart_on_either_database(
    owner: Owner, config: Config, database_url: str
) -> None:
    config = replace(config, database_url=database_url)
    async with running_builder(owner, config) as client:
        request = client.request(command("echo >src/x; echo said"))
        build = await client.build(request)
    async with running_builder(owner, config) as client:
        assert await client.wait(request.request_id) == build
        assert await client.start(request) == build
    assert len(owner.received) == 1
    database = await asyncio.to_thread(Database.open, config.url, MIGRATIONS)
    document = await ExchangeStore(database, lambda: 0.0).read(build.exchange_digest)
    missing = await ExchangeStore(database, lambda: 0.0).read("0" * 64)
    await ExchangeStore(database, lambda: 0.0).prune(4e9)
    pruned = await ExchangeStore(database, lambda: 0.0).read(build.exchange_digest)
    await database.close()
    assert pruned is None
    assert missing is None
    assert hashlib.sha256(document or b"").hexdigest() == build.exchange_digest
    exchange = json.loads(document or b"")
    assert exchange["kind"] == "command"
    assert exchange["exchange"][0]["command"] == "echo >src/x; echo said"
    assert exchange["exchange"][0]["output"] == "said\n"


async def test_the_same_request_is_built_once(client: Client) -> None:
    async with scripted_model(edits({"path": "src/a.py", "contents": "x"})) as model:
        request = client.request(named(), policy=policy(model))
        await asyncio.gather(*(client.start(request) for _ in range(5)))
        builds = [await client.wait(request.request_id), (await client.start(request))]
        assert builds[0] == builds[1]
        assert len(model.requests) == 1


async def test_the_same_id_with_another_phase_is_refused(client: Client) -> None:
    request = client.request(PATCH)
    await client.build(request)
    request.phase.goal = "Something else."
    with pytest.raises(AlreadyExists, match="REQUEST_ID_REUSED"):
        await client.start(request)


async def test_an_owner_that_was_restarted_elsewhere_gets_the_change_all_the_same(
    owner: Owner, client: Client, tmp_path: Path
) -> None:
    """The orchestrator comes back with another address and token, and memory knows more by then."""
    held = replace(edits({"path": "src/a.py", "contents": "x"}), hold=True)
    async with scripted_model(held) as model, serving_owner(tmp_path / "owner.git") as again:
        request = client.request(named(), policy=policy(model))
        await client.start(request)
        await asyncio.wait_for(model.asked.wait(), 10)
        again.token = request.upload_token = "another"
        request.git_address = again.address
        request.recalled.add(text="new")
        request.budget.seconds -= 1
        assert (await client.start(request)).state == build_pb2.BUILD_STATE_RUNNING
        model.go.set()
        build = await client.wait(request.request_id)
    assert client.changed(build) == {"src/a.py": b"x"}
    assert [header.commit for header in again.received] == [build.commit]
    assert not owner.received


async def test_an_owner_that_is_away_for_a_moment_gets_the_change_when_it_is_back(
    config: Config, tmp_path: Path
) -> None:
    held = replace(edits({"path": "src/a.py", "contents": "x"}), hold=True)
    async with scripted_model(held) as model:
        address = f"unix:{tmp_path / 'owner' / 'git.sock'}"
        async with (
            serving_owner(tmp_path / "owner.git", address) as owner,
            running_builder(owner, config) as client,
        ):
            request = client.request(named(), policy=policy(model))
            await client.start(request)
            await asyncio.wait_for(model.asked.wait(), 10)
            assert owner.server is not None
            await owner.server.stop()
            model.go.set()
            async with serving_owner(tmp_path / "owner.git", address) as again:
                client.owner = again
                assert client.changed(await client.wait(request.request_id)) == {"src/a.py": b"x"}


async def test_an_unknown_build_is_not_found(client: Client) -> None:
    with pytest.raises(NotFound, match="OPERATION_NOT_FOUND"):
        await client.wait("no/such/1/build")
    with pytest.raises(NotFound, match="OPERATION_NOT_FOUND"):
        await client.cancel("no/such/1/build")


async def test_cancelling_what_has_ended_changes_nothing(client: Client) -> None:
    request = client.request(PATCH)
    build = await client.build(request)
    assert await client.cancel(request.request_id) == build


async def test_a_refused_upload_is_an_error_of_the_call_and_can_be_tried_again(client: Client) -> None:
    client.owner.token = "of another attempt"
    request = client.request(PATCH)
    with pytest.raises(PermissionDenied, match="UPLOAD_REFUSED"):
        await client.build(request)
    client.owner.token = request.upload_token
    assert client.changed(await client.build(request)) == {"src/a.py": b"new\n"}


async def test_an_unknown_base_or_project_is_an_error_of_the_call(client: Client) -> None:
    with pytest.raises(NotFound, match="OBJECT_NOT_FOUND"):
        await client.build(client.request(PATCH, base="0" * 40))
    request = client.request(PATCH)
    request.project_id = "another"
    with pytest.raises(NotFound, match="PROJECT_NOT_FOUND"):
        await client.build(request)


async def test_invalid_requests_name_their_fields(client: Client) -> None:
    request = client.request(PATCH)
    request.base = "main"
    request.attempt = 0
    with pytest.raises(InvalidInput) as refused:
        await client.start(request)
    assert {reason.path for reason in refused.value.reasons} == {"base", "attempt"}


async def test_a_kind_that_no_document_can_name_is_refused_with_those_that_there_are(client: Client) -> None:
    build = await client.build(client.request(plan_pb2.BuilderSpec(ledger=plan_pb2.LedgerBuilder())))
    assert failure(build) == "BUILDER_NOT_AVAILABLE"
    assert "`ledger`" in build.reasons[0].message
    assert build.reasons[0].fix == "use one of `patch`, `command`, `repair`, `replay`, `model`, `agent`"


async def test_a_builder_that_the_policy_does_not_name_is_refused(client: Client) -> None:
    build = await client.build(client.request(named("gpt")))
    assert failure(build) == "UNKNOWN_BUILDER"


async def test_no_seconds_left_is_no_build(client: Client) -> None:
    assert failure(await client.build(client.request(PATCH, seconds=0))) == "BUDGET_EXHAUSTED"


async def test_reasons_can_be_sent_back_as_feedback_however_long_and_strange(client: Client) -> None:
    line = "head -c 100000 /dev/urandom; printf '\\xff\\xfe\\0'; exit 1"
    build = await client.build(client.request(command(line)))
    reasons = [Reason(reason.code, reason.message, reason.fix, reason.path) for reason in build.reasons]
    again = await client.build(client.request(command("true"), feedback=reasons, attempt=2))
    assert failure(again) == "NO_CHANGE"


async def test_many_builds_of_one_project_at_once_all_arrive(client: Client) -> None:
    base = client.request(PATCH).base
    requests = [client.request(whole({"src/a.py": f"{number}\n"}), base=base) for number in range(20)]
    builds = await asyncio.gather(*map(client.build, requests))
    assert [client.changed(build) for build in builds] == [{"src/a.py": b"%d\n" % n} for n in range(20)]


async def test_a_service_that_stops_ends_its_builds_and_starts_them_anew(
    owner: Owner, config: Config
) -> None:
    async with scripted_model(Answer(hang=True)) as model:
        async with running_builder(owner, config) as client:
            request = client.request(named(), policy=policy(model))
            await client.start(request)
            await asyncio.wait_for(model.asked.wait(), 10)
        await asyncio.wait_for(model.left.wait(), 10)
        model.answers = [edits({"path": "src/a.py", "contents": "x"})]
        async with running_builder(owner, config) as client:
            with pytest.raises(NotFound):
                await client.wait(request.request_id)
            assert client.changed(await client.build(request)) == {"src/a.py": b"x"}


def test_the_settings_come_from_the_environment() -> None:
    config = Config.from_environ(
        {
            "AUTOPACK_DIRECTORY": "/data",
            "AUTOPACK_ADDRESS": "unix:/run/b.sock",
            "AUTOPACK_CONCURRENT_BUILDS": "3",
            "AUTOPACK_SANDBOX_TIER": "landlock",
            "AUTOPACK_BUILDER_SECRETS": "KEY@api.example.com, KEY@127.0.0.1:8080",
            "KEY": "value",
            "OTHER": "another",
        }
    )
    assert config.url == "sqlite:////data/builder.db"
    assert (config.concurrent_builds, config.sandbox_tier) == (3, "landlock")
    assert config.secrets.reveal("KEY", "https://api.example.com/v1") == "value"
    assert config.secrets.reveal("KEY", "http://127.0.0.1:8080/v1") == "value"
    for name, url in (("KEY", "https://evil.example/v1"), ("OTHER", "https://api.example.com/v1")):
        with pytest.raises(Exception, match="SECRET_NOT_GRANTED"):
            config.secrets.reveal(name, url)


@pytest.mark.parametrize(
    "setting", [("AUTOPACK_CONCURRENT_BUILDS", "many"), ("AUTOPACK_BUILDER_SECRETS", "KEY")]
)
def test_a_wrong_setting_is_named(setting: tuple[str, str]) -> None:
    with pytest.raises(InvalidInput, match=setting[0]):
        Config.from_environ(dict([setting]))


def test_any_secret_may_be_used_where_nothing_is_granted() -> None:
    assert Secrets({"KEY": "value"}.get).reveal("KEY", "https://api.example.com") == "value"
