"""Embeddings mean something, come from a pinned model, and are made only when they are needed."""

import asyncio
import hashlib
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from autopack.errors import Unavailable
from autopack.testing.model_server import model_server
from memory_svc.storage import minilm as minilm_module
from memory_svc.storage.embeddings_endpoint import EmbeddingsEndpoint
from memory_svc.storage.minilm import MiniLm


def cosine(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


async def test_nearness_is_nearness_in_meaning_and_not_in_letters(minilm: MiniLm) -> None:
    """A hash of the words would put all of these equally far apart."""
    asked, same, other = await minilm.embed(
        [
            "division by zero in the greatest common divisor",
            "gcd fails with ZeroDivisionError",
            "the colour of the button in the dialog",
        ]
    )

    assert cosine(asked, same) > 0.4
    assert cosine(asked, other) < 0.2


async def test_vectors_have_length_one_and_do_not_depend_on_their_neighbours(minilm: MiniLm) -> None:
    texts = ["short", "a much longer text " * 30, ""]

    together = await minilm.embed(texts)

    assert [len(vector) for vector in together] == [384] * 3
    assert all(cosine(vector, vector) == pytest.approx(1, abs=1e-5) for vector in together)
    assert [(await minilm.embed([text]))[0] for text in texts] == together


async def test_text_beyond_the_limit_is_not_seen(minilm: MiniLm) -> None:
    one, other = await minilm.embed(["word " * 400, "word " * 500])

    assert one == other


async def test_nothing_is_loaded_before_the_first_text() -> None:
    model = MiniLm()

    assert not model.loaded
    assert await model.embed([]) == []
    assert not model.loaded
    await model.close()


@pytest.mark.parametrize("name", ["MODEL_SHA256", "TOKENIZER_SHA256"])
async def test_a_model_that_is_not_the_pinned_one_is_never_loaded(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(minilm_module, name, hashlib.sha256(b"another").hexdigest())
    model = MiniLm()

    with pytest.raises(Unavailable, match="SHA-256") as refused:
        await model.embed(["text"])

    assert refused.value.reasons[0].code == "EMBEDDINGS_UNAVAILABLE"
    assert not model.loaded
    await model.close()


async def test_a_package_that_is_gone_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm_module, "_MODEL", ("no_such_package", "model.onnx"))
    model = MiniLm()

    with pytest.raises(Unavailable, match="no_such_package is not installed"):
        await model.embed(["text"])
    await model.close()


async def test_an_openai_compatible_server_embeds() -> None:
    with model_server(context_tokens=512, embeddings=True) as url:
        endpoint = EmbeddingsEndpoint(url, "smollm2")
        one, other, again = await endpoint.embed(
            ["gcd of two numbers", "a blue button", "gcd of two numbers"]
        )
        await endpoint.close()

    assert cosine(one, one) == pytest.approx(1)
    assert cosine(one, again) > cosine(one, other)


async def test_an_endpoint_that_is_down_is_unavailable() -> None:
    endpoint = EmbeddingsEndpoint("http://127.0.0.1:1/v1", "model")

    with pytest.raises(Unavailable) as refused:
        await endpoint.embed(["text"])
    assert refused.value.reasons[0].code == "EMBEDDINGS_UNAVAILABLE"
    await endpoint.close()


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (500, "{}"),
        (200, "no json"),
        (200, "{}"),
        (200, '{"data": []}'),
        (200, '{"data": [{"index": 0, "embedding": [0.0, 0.0]}]}'),
        (200, '{"data": [{"index": 0, "embedding": ["x"]}]}'),
        (200, '{"data": [{"index": 0, "embedding": null}]}'),
    ],
)
async def test_an_answer_that_is_none_is_unavailable(
    monkeypatch: pytest.MonkeyPatch, status: int, answer: str
) -> None:
    client = httpx.AsyncClient(
        transport=httpx.MockTransport(lambda request: httpx.Response(status, text=answer))
    )
    monkeypatch.setattr(httpx, "AsyncClient", lambda **settings: client)
    endpoint = EmbeddingsEndpoint("http://localhost/v1", "model", "key")

    with pytest.raises(Unavailable):
        await endpoint.embed(["text"])
    await endpoint.close()


def test_the_pins_are_those_of_the_locked_wheels() -> None:
    for (package, name), pin in (
        (minilm_module._MODEL, minilm_module.MODEL_SHA256),
        (minilm_module._TOKENIZER, minilm_module.TOKENIZER_SHA256),
    ):
        assert hashlib.sha256(minilm_module._checked(package, name, pin)).hexdigest() == pin


async def test_the_rewritten_model_means_what_the_packaged_one_does(
    minilm: MiniLm, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["gcd fails with ZeroDivisionError", "The queue is drained in the order of submission. " * 9]
    monkeypatch.setattr(minilm_module, "rewrite", lambda packaged: packaged)
    packaged = MiniLm()
    expected = await packaged.embed(texts)
    await packaged.close()

    found = await minilm.embed(texts)

    assert found != expected
    assert all(cosine(one, other) > 0.985 for one, other in zip(found, expected, strict=True))


async def test_a_question_waits_for_no_more_than_one_text_of_an_indexing(
    minilm: MiniLm, monkeypatch: pytest.MonkeyPatch
) -> None:
    await minilm.embed(["warm"])
    embedded: list[str] = []
    encode = minilm._embed

    def noted(text: str) -> list[float]:
        embedded.append(text)
        return encode(text)

    monkeypatch.setattr(minilm, "_embed", noted)
    indexing = asyncio.create_task(minilm.embed([f"passage {number}" for number in range(50)]))
    await asyncio.sleep(0)  # it has begun
    await minilm.embed(["question"])

    assert embedded.index("question") <= 2 * minilm_module.WORKERS
    await indexing


def test_the_engine_leaves_nothing_in_the_users_home(tmp_path: Path) -> None:
    """onnxruntime's import alone would write a device id and a queue of events there."""
    embed = (
        "import asyncio; from memory_svc.storage.minilm import MiniLm; asyncio.run(MiniLm().embed(['text']))"
    )
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    subprocess.run([sys.executable, "-c", embed], check=True, env=environment)

    assert list(tmp_path.iterdir()) == []
