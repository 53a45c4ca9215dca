"""The builder `replay`: what was recorded of a build makes the same change again, with no network."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from autopack.api.builder.v1 import build_pb2
from autopack.api.plan.v1 import plan_pb2
from autopack.chat.client import protocol
from autopack.database.database import Database
from autopack.errors import Reason
from builder_svc.__main__ import MIGRATIONS
from builder_svc.builders.model import talk
from builder_svc.storage.exchanges import ExchangeStore
from tests.builder_svc.builder_harness import FILES, PROJECT, Client, command, failure, named, whole
from tests.builder_svc.scripted_model import (
    Answer,
    asking,
    completion,
    edits,
    message,
    refusal,
    scripted_model,
    using,
)
from tests.builder_svc.test_builder_model_tools import CHANGED, CHECKS, GOOD, policy

TIME = CHECKS.replace("run: '", "run: 'date +%N; ")
"""A check whose output is never the same."""


@pytest.fixture(autouse=True, scope="module")
def sdks() -> None:
    """Imported once: what is tested here is not how long that takes."""
    protocol("openai", "", "")
    protocol("anthropic", "", "")


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(talk, "OUTAGE_PAUSES", (0.0,))


def of(run_id: str) -> plan_pb2.BuilderSpec:
    return plan_pb2.BuilderSpec(replay=plan_pb2.ReplayBuilder(run_id=run_id))


async def first_and_again(
    client: Client,
    *answers: Answer,
    api: str = "openai",
    again: Mapping[str, Any] | None = None,
    **request: Any,
) -> tuple[build_pb2.Build, build_pb2.Build]:
    """A build by a model, and its replay when the model's server is gone."""
    async with scripted_model(*answers) as model:
        text = policy(model.endpoint, api, request.pop("more", ""))
        asked = {"policy": text, **request}
        first = await client.build(client.request(named(), request_id="one/phase/1/build", **asked))
    second = client.request(of("one"), request_id="two/phase/1/build", **{**asked, **(again or {})})
    return first, await client.build(second)


def same(client: Client, first: build_pb2.Build, second: build_pb2.Build) -> None:
    store = client.owner.store
    assert store.commit_tree(first.commit) == store.commit_tree(second.commit)
    assert store.parents(first.commit) == store.parents(second.commit)
    assert second.builder_kind == "replay"
    assert second.usage.input_tokens == 0


@pytest.mark.parametrize("api", ["openai", "anthropic"])
async def test_a_conversation_makes_the_same_change_again_without_its_server(
    client: Client, api: str
) -> None:
    calls = asking if api == "openai" else using
    done = completion("done") if api == "openai" else message({"type": "text", "text": "done"})
    first, second = await first_and_again(
        client,
        calls(("read", {"path": "src/a.py"}), ("shell", {})),
        refusal(500, "oops"),
        calls(("edit", GOOD)),
        calls(("check", {"name": "two"})),
        done,
        api=api,
        more=TIME,
    )
    assert client.changed(first) == CHANGED
    same(client, first, second)


async def test_what_differs_by_its_nature_comes_from_the_record(client: Client) -> None:
    def feedback(text: str) -> list[Reason]:
        return [Reason("CHECK_FAILED", text)]

    def memory(text: str) -> list[build_pb2.RecalledText]:
        return [build_pb2.RecalledText(text=text, source="docs/DEBUG_LOG.md", trust="accepted")]

    first, second = await first_and_again(
        client,
        asking(("edit", GOOD)),
        completion("done"),
        feedback=feedback("took 0.31 s"),
        recalled=memory("then"),
        tokens=90_000,
        usd=50.0,
        more="prices: {tiny: {input: 1, output: 10}}\n",
        again={
            "feedback": feedback("took 0.32 s"), "recalled": memory("now"), "tokens": 5, "usd": 0.0
        },
    )  # fmt: skip
    assert client.changed(first) == CHANGED
    same(client, first, second)


async def test_one_answer_for_all_and_a_replay_of_a_replay(client: Client) -> None:
    first, second = await first_and_again(client, refusal(400, "no tools"), edits(GOOD))
    same(client, first, second)
    base = client.owner.store.parents(first.commit)[0]
    third = await client.build(client.request(of("two"), base=base, request_id="three/phase/1/build"))
    same(client, first, third)


async def test_a_build_that_failed_fails_again_for_the_same_reason(client: Client) -> None:
    first, second = await first_and_again(client, completion("I would rather not."))
    assert failure(first) == failure(second) == "MODEL_ANSWER_INVALID"
    assert first.reasons[0].message == second.reasons[0].message


async def test_a_model_that_was_cut_off_is_cut_off_again(client: Client) -> None:
    first, second = await first_and_again(
        client, asking(("edit", GOOD)), Answer(hang=True), seconds=1, again={"seconds": 60}
    )
    assert failure(first) == failure(second) == "BUILD_TIMED_OUT"


@pytest.mark.parametrize(
    ("again", "where"),
    [
        ({"goal": "Make a() return 3."}, "inputs, in phase.goal: was 'Make a() return 2.'"),
        ({"scope": ["src/a.py"]}, "inputs, in phase.scope.paths"),
        ({"feedback": [Reason("CHECK_FAILED", "x")]}, "inputs, in earlier refusals"),
        ({"files": {**FILES, "src/b.py": b"other\n"}}, "inputs, in base tree"),
        ({"hints": ["be quick"]}, "inputs, in phase.hints: was 0 parts, is 1 parts"),
    ],
)
async def test_inputs_that_differ_are_where_it_first_diverges(
    client: Client, again: Mapping[str, Any], where: str
) -> None:
    _, second = await first_and_again(client, asking(("edit", GOOD)), completion("done"), again=again)
    assert failure(second) == "REPLAY_DIVERGED"
    assert where in second.reasons[0].message


Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def tamper(client: Client) -> Callable[[Change], Awaitable[None]]:
    """Changes what is recorded of the first build."""

    async def work(change: Change) -> None:
        database = await asyncio.to_thread(Database.open, client.config.url, MIGRATIONS)
        store = ExchangeStore(database, lambda: 4e9)
        document = json.loads(await store.find(PROJECT, "one/phase/1/build") or b"")
        change(document)
        await store.keep(PROJECT, "one/phase/1/build", json.dumps(document).encode())
        await database.close()

    return work


def _other_prompt(document: dict[str, Any]) -> None:
    turn = document["exchange"][0]["request"]["messages"][1]
    turn["content"] = turn["content"].replace("def b", "def c")


def _other_answer(document: dict[str, Any]) -> None:
    document["exchange"][0]["response"] = document["exchange"][0]["response"].replace("return 2", "return 7")


def _no_check(document: dict[str, Any]) -> None:
    del document["exchange"][1]


def _shorter(document: dict[str, Any]) -> None:
    del document["exchange"][-1]


def _longer(document: dict[str, Any]) -> None:
    document["exchange"].append(document["exchange"][-1])


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (_other_prompt, "step 1, in messages[1].content: was"),
        (_other_answer, "step 3, in messages[2]"),
        (_no_check, "step 2: was a question to the model, is the check two"),
        (_shorter, "the end of the recording: was the end, is a question to the model"),
        (_longer, "step 4: was another step, is the end"),
    ],
)
async def test_the_first_step_that_differs_is_named(
    client: Client, tamper: Callable[[Change], Awaitable[None]], change: Change, where: str
) -> None:
    first, second = await first_and_again(
        client, asking(("edit", GOOD), ("check", {"name": "two"})), completion("done"), more=CHECKS
    )
    same(client, first, second)
    await tamper(change)
    base = client.owner.store.parents(first.commit)[0]
    third = await client.build(client.request(of("one"), base=base, request_id="three/phase/1/build"))
    assert failure(third) == "REPLAY_DIVERGED"
    assert where in third.reasons[0].message


async def test_a_change_that_comes_out_differently_is_no_replay(
    client: Client, tamper: Callable[[Change], Awaitable[None]]
) -> None:
    def other(document: dict[str, Any]) -> None:
        document["edits"][0]["text"] = "def a():\n    return 3\n"

    first, _ = await first_and_again(client, asking(("edit", GOOD)), completion("done"))
    await tamper(other)
    base = client.owner.store.parents(first.commit)[0]
    third = await client.build(client.request(of("one"), base=base, request_id="three/phase/1/build"))
    assert failure(third) == "REPLAY_DIVERGED"
    assert "the change of src/a.py: was" in third.reasons[0].message


async def test_what_a_command_gave_is_given_again_and_not_run(client: Client) -> None:
    line = "date +%N >src/now.txt; chmod +x src/a.py; rm src/b.py; printf '\\377' >src/bin"
    first = await client.build(client.request(command(line), request_id="one/phase/1/build"))
    assert client.changed(first)["src/b.py"] is None
    base = client.owner.store.parents(first.commit)[0]
    second = await client.build(client.request(of("one"), base=base, request_id="two/phase/1/build"))
    same(client, first, second)


async def test_a_command_that_failed_is_not_tried_again(client: Client) -> None:
    first = await client.build(client.request(command("exit 3"), request_id="one/phase/1/build"))
    second = await client.build(client.request(of("one"), request_id="two/phase/1/build"))
    assert failure(first) == failure(second) == "COMMAND_FAILED"


async def test_what_is_not_recorded_here_is_said(client: Client) -> None:
    await client.build(client.request(whole({"src/a.py": "x"}), request_id="one/phase/1/build"))
    for run_id in ("one", "none", "%", "../one"):
        build = await client.build(client.request(of(run_id), request_id=f"two-{run_id}/phase/1/build"))
        assert failure(build) == "NOT_RECORDED"


async def test_another_projects_recording_is_none_of_ours(client: Client) -> None:
    await client.build(client.request(command("echo >src/x"), request_id="one/phase/1/build"))
    database = await asyncio.to_thread(Database.open, client.config.url, MIGRATIONS)
    store = ExchangeStore(database, lambda: 0.0)
    assert await store.find("other", "one/phase/1/build") is None
    assert await store.find(PROJECT, "one/phase/1/build") is not None
    await database.close()


async def test_a_recording_has_no_secret_in_it_and_is_replayed_without_one(client: Client) -> None:
    files = {**FILES, "src/a.py": b"def a():\n    return 1  # sk-very-secret\n"}
    async with scripted_model(asking(("edit", GOOD)), completion("done sk-very-secret")) as model:
        text = policy(model.endpoint, extra=", secrets: [MODEL_KEY]")
        request = client.request(named(), policy=text, files=files, request_id="one/phase/1/build")
        first = await client.build(request)
    database = await asyncio.to_thread(Database.open, client.config.url, MIGRATIONS)
    document = await ExchangeStore(database, lambda: 0.0).read(first.exchange_digest) or b""
    await database.close()
    assert b"sk-very-secret" not in document
    assert b"[redacted]" in document
    again = client.request(of("one"), base=request.base, request_id="two/phase/1/build")
    same(client, first, await client.build(again))


async def test_a_secret_that_a_command_wrote_is_not_kept_and_so_cannot_be_given_again(
    client: Client, tamper: Callable[[Change], Awaitable[None]]
) -> None:
    def redacted(document: dict[str, Any]) -> None:
        document["edits"][0] |= {"text": "[redacted]\n", "redacted": True}

    first = await client.build(client.request(command("echo >src/x"), request_id="one/phase/1/build"))
    await tamper(redacted)
    base = client.owner.store.parents(first.commit)[0]
    second = await client.build(client.request(of("one"), base=base, request_id="two/phase/1/build"))
    assert failure(second) == "REPLAY_DIVERGED"
    assert "src/x: was with a secret in it or too large, is not kept" in second.reasons[0].message
