"""The builder `model` against a real server with a real, very small model: the protocol, not the quality."""

import asyncio

from autopack.api.builder.v1 import build_pb2
from tests.builder_svc.builder_harness import CONTEXT_TOKENS, FILES, Client, named

KNOWN = {
    "MODEL_ANSWER_INVALID",
    "MODEL_ANSWER_TRUNCATED",
    "EDIT_DOES_NOT_APPLY",
    "EDIT_AMBIGUOUS",
    "NO_CHANGE",
    "PATH_INVALID",
    "PATH_OUT_OF_SCOPE",
    "PATH_PROTECTED",
    "PATH_ESCAPES",
    "CONFLICT_MARKERS",
}

TOKENS = 2_750
"""Enough for one prompt and a short answer."""


def policy(endpoint: str) -> str:
    return f"version: 1\nbuilders: {{local: {{kind: model, model: smollm2, endpoint: '{endpoint}'}}}}\n"


async def test_a_real_answer_is_counted_and_is_a_change_or_has_its_code(
    client: Client, real_model: str
) -> None:
    build = await client.build(client.request(named(), policy=policy(real_model), tokens=TOKENS))
    if build.state == build_pb2.BUILD_STATE_SUCCEEDED:
        assert all(path.startswith("src/") for path in client.changed(build))
    else:
        assert {reason.code for reason in build.reasons} <= KNOWN
    assert build.usage.input_tokens > 100
    assert build.usage.output_tokens > 0
    assert build.usage.input_tokens + build.usage.output_tokens <= TOKENS
    assert len(build.exchange_digest) == 64


async def test_more_than_a_real_model_reads_is_left_out(client: Client, real_model: str) -> None:
    files = {**FILES, "src/digits.txt": b"0123456789" * 100}
    scope = ["src/a.py", "src/**"]
    request = client.request(named(), policy=policy(real_model), files=files, scope=scope, tokens=4_500)
    build = await client.build(request)
    assert {reason.code for reason in build.reasons} <= KNOWN
    assert 0 < build.usage.input_tokens < CONTEXT_TOKENS


async def test_a_real_call_can_be_cancelled(client: Client, real_model: str) -> None:
    request = client.request(named(), policy=policy(real_model))
    await client.start(request)
    build = await asyncio.wait_for(client.cancel(request.request_id), 2)
    assert build.state == build_pb2.BUILD_STATE_CANCELLED
