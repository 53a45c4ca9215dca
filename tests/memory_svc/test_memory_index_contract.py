"""Both stores of vectors keep the same promises.

The server cannot run everywhere: that part of the suite runs when AUTOPACK_TEST_QDRANT_URL names one. The
client's own stand-in for a server is a third subject; it shows that our calls have the right shape.
"""

import math
import os
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from autopack.errors import Unavailable
from memory_svc.domain.documents import CODE, TRUSTED, Passage, Trust
from memory_svc.domain.index import Point, VectorIndex
from memory_svc.storage.edge import EdgeIndex
from memory_svc.storage.qdrant_server import QdrantIndex, connect

# The stand-in says that it has none; what it finds is the same.
pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect:UserWarning")

ALL = frozenset(Trust)
SIZE = 8


def client_stand_in(url: str, api_key: str) -> object:
    from qdrant_client import AsyncQdrantClient

    return AsyncQdrantClient(":memory:")


@pytest.fixture(params=["edge", "server", "client"])
async def index(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[VectorIndex]:
    model = f"model-{uuid.uuid4()}"
    opened: VectorIndex
    match request.param:
        case "edge":
            opened = EdgeIndex(tmp_path / "index", model)
        case "server":
            url = os.environ.get("AUTOPACK_TEST_QDRANT_URL")
            if not url:
                pytest.skip("AUTOPACK_TEST_QDRANT_URL names no Qdrant server")
            key = os.environ.get("AUTOPACK_TEST_QDRANT_API_KEY", "")
            opened = QdrantIndex(partial(connect, url, key), model)
        case _:
            opened = QdrantIndex(partial(client_stand_in, "", ""), model)  # type: ignore[arg-type]
    yield opened
    for project in ("one", "two"):
        await opened.drop(project)
    await opened.close()


def passage(text: str, trust: Trust = Trust.ACCEPTED) -> Passage:
    time = datetime(2026, 1, 31, 12, 30, 0, 250, UTC)
    return Passage(0, text, "docs/DEBUG_LOG.md", "DBG-0001", trust, time, "c" * 40, "")


def vector(angle: float) -> list[float]:
    return [math.cos(angle), math.sin(angle), *[0.0] * (SIZE - 2)]


def point(text: str, angle: float = 0.0, trust: Trust = Trust.ACCEPTED) -> Point:
    return Point(passage(text, trust), vector(angle))


async def test_an_empty_index_answers_everything(index: VectorIndex) -> None:
    assert await index.count("one", ALL) == 0
    assert await index.ids("one", ALL) == frozenset()
    assert await index.search("one", vector(0), "gcd", ALL, 5) == ((), ())
    await index.remove("one", {str(uuid.uuid4())})
    await index.drop("one")
    await index.upsert("one", [])
    await index.ping()


async def test_passages_come_back_whole_nearest_first(index: VectorIndex) -> None:
    points = [point("far", 1.5), point("near", 0.1), point("nearer", 0.05)]
    await index.upsert("one", points)

    near, _ = await index.search("one", vector(0), "nothing", ALL, 2)

    assert near == (points[2].passage, points[1].passage)


async def test_words_are_found_by_how_rare_they_are(index: VectorIndex) -> None:
    texts = [f"the check failed in module {name}" for name in ("alpha", "beta", "gamma")]
    texts.append("the check failed with ZeroDivisionError in test_gcd")
    await index.upsert("one", [point(text, number) for number, text in enumerate(texts)])

    _, lexical = await index.search("one", vector(0), "check of test_gcd: ZeroDivisionError", ALL, 5)

    assert lexical[0].text == texts[3]


async def test_words_are_found_in_other_forms(index: VectorIndex) -> None:
    await index.upsert("one", [point("retrying connections"), point("painting walls")])

    _, lexical = await index.search("one", vector(0), "a connection is retried", ALL, 5)

    assert [found.text for found in lexical] == ["retrying connections"]


async def test_trust_filters_everything(index: VectorIndex) -> None:
    points = [point(f"gcd {trust}", 0.1, trust) for trust in Trust]
    await index.upsert("one", points)

    near, lexical = await index.search("one", vector(0), "gcd", TRUSTED, 9)

    for found in (near, lexical):
        assert {passage.trust for passage in found} == TRUSTED
    assert await index.count("one", TRUSTED) == 2
    assert await index.ids("one", {Trust.FAILED}) == {
        one.passage.passage_id for one in points if one.passage.trust is Trust.FAILED
    }


async def test_what_is_written_after_a_search_is_filtered_in_the_next_one(index: VectorIndex) -> None:
    told, doubtful = point("gcd told", 0.1), point("gcd pending", 0.0, Trust.PENDING)
    await index.upsert("one", [told])
    assert await index.search("one", vector(0), "gcd", TRUSTED, 9) == ((told.passage,), (told.passage,))

    await index.upsert("one", [doubtful])
    assert await index.search("one", vector(0), "gcd", TRUSTED, 9) == ((told.passage,), (told.passage,))
    await index.remove("one", {told.passage.passage_id})
    assert await index.search("one", vector(0), "gcd", TRUSTED, 9) == ((), ())
    assert await index.count("one", TRUSTED) == 0


async def test_code_is_kept_apart_and_found_with_all_else_unless_left_out(index: VectorIndex) -> None:
    told, code = point("gcd told"), Point(replace(passage("gcd code"), kind=CODE), vector(0.1))
    await index.upsert("one", [told, code])

    assert await index.ids("one", ALL) == {told.passage.passage_id}
    assert await index.ids("one", ALL, code=True) == {code.passage.passage_id}
    assert (await index.count("one", ALL), await index.count("one", ALL, code=False)) == (2, 1)
    for wanted, left_out in ((True, set()), (False, {code.passage})):
        near, lexical = await index.search("one", vector(0), "gcd", ALL, 9, code=wanted)
        assert set(near) == set(lexical) == {told.passage, code.passage} - left_out


async def test_an_optimized_index_finds_the_same(index: VectorIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memory_svc.storage.edge.EXACT_UP_TO", 100)
    points = [point(f"passage {number} of many", number / 200) for number in range(300)]
    await index.upsert("one", points)
    before = await index.search("one", vector(0.5), "passage 7", ALL, 5)

    await index.optimize("one")
    assert await index.search("one", vector(0.5), "passage 7", ALL, 5) == before
    await index.upsert("one", [point("another", 0.5)])
    assert await index.count("one", ALL) == 301


async def test_projects_never_see_each_other(index: VectorIndex) -> None:
    await index.upsert("one", [point("secret of one")])
    await index.upsert("two", [point("secret of two")])

    near, lexical = await index.search("one", vector(0), "secret", ALL, 9)

    assert {found.text for found in (*near, *lexical)} == {"secret of one"}
    await index.drop("one")
    assert (await index.count("one", ALL), await index.count("two", ALL)) == (0, 1)


async def test_removed_text_is_gone_and_can_come_back(index: VectorIndex) -> None:
    kept, removed = point("gcd kept"), point("gcd removed")
    await index.upsert("one", [kept, removed])

    await index.remove("one", {removed.passage.passage_id, str(uuid.uuid4())})

    near, lexical = await index.search("one", vector(0), "gcd removed", ALL, 9)
    assert near == lexical == (kept.passage,)
    await index.upsert("one", [removed])
    assert await index.count("one", ALL) == 2


async def test_the_same_point_twice_is_one(index: VectorIndex) -> None:
    await index.upsert("one", [point("gcd")])
    await index.upsert("one", [point("gcd"), point("lcm")])

    assert await index.count("one", ALL) == 2


async def test_all_ids_are_listed_also_of_many(index: VectorIndex) -> None:
    points = [point(f"passage {number}", number / 100) for number in range(300)]
    await index.upsert("one", points)

    assert await index.ids("one", ALL) == {one.passage.passage_id for one in points}


async def test_a_query_of_nothing_but_stop_words_finds_no_words(index: VectorIndex) -> None:
    await index.upsert("one", [point("gcd")])

    near, lexical = await index.search("one", vector(0), "the of and ?! \x00", ALL, 9)

    assert (len(near), lexical) == (1, ())


def reopened(directory: Path) -> Callable[[], EdgeIndex]:
    return lambda: EdgeIndex(directory, "model")


async def test_what_the_edge_wrote_is_there_after_a_restart(tmp_path: Path) -> None:
    opened = reopened(tmp_path)
    first = opened()
    await first.upsert("one", [point("gcd")])
    await first.close()

    second = opened()
    near, _ = await second.search("one", vector(0), "gcd", ALL, 1)
    await second.close()

    assert near == (passage("gcd"),)


async def test_another_model_has_another_index(tmp_path: Path) -> None:
    first, second = EdgeIndex(tmp_path, "model"), EdgeIndex(tmp_path, "other model")
    await first.upsert("one", [point("gcd")])
    await first.close()

    assert await second.count("one", ALL) == 0
    await second.close()


async def test_two_writers_of_one_directory_are_refused(tmp_path: Path) -> None:
    first, second = EdgeIndex(tmp_path, "model"), EdgeIndex(tmp_path, "model")
    await first.upsert("one", [point("gcd")])

    with pytest.raises(Unavailable) as refused:
        await second.count("one", ALL)
    assert refused.value.reasons[0].code == "INDEX_UNAVAILABLE"
    await first.close()
    assert await second.count("one", ALL) == 1
    await second.close()


def break_shards(directory: Path) -> None:
    for configuration in directory.glob("*/edge_config.json"):
        configuration.write_text("{")


async def test_a_broken_index_says_so_and_can_be_dropped(tmp_path: Path) -> None:
    first = EdgeIndex(tmp_path, "model")
    await first.upsert("one", [point("gcd")])
    await first.close()
    break_shards(tmp_path)

    second = EdgeIndex(tmp_path, "model")
    with pytest.raises(Unavailable) as refused:
        await second.count("one", ALL)
    assert "--rebuild" in refused.value.reasons[0].fix
    await second.drop("one")
    await second.upsert("one", [point("gcd")])
    assert await second.count("one", ALL) == 1
    await second.close()


async def test_a_server_that_is_down_is_unavailable() -> None:
    index = QdrantIndex(partial(connect, "http://127.0.0.1:1", ""), "model")

    with pytest.raises(Unavailable):
        await index.ping()
    await index.close()
