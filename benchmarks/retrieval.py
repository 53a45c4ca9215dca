"""How well and how fast memory finds: `python -m benchmarks.retrieval cranfield|ledger|scale ...`.

The collections are not ours to hand out: give the directory or file that you fetched.
"""

import argparse
import asyncio
import math
import os
import platform
import random
import re
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import qdrant_edge as edge

from autopack.api.memory.v1 import memory_service_pb2, memory_service_pb2_grpc
from autopack.database.database import Database
from autopack.database.operations import Operations
from autopack.ledger.document import append, empty
from autopack.ledger.entry import TITLE_LIMIT, Kind, make_content
from autopack.ledger.files import render_files
from autopack.rpc.channel import create_channel
from autopack.rpc.server import ServerSettings, Service, create_server
from memory_svc.__main__ import MIGRATIONS
from memory_svc.domain.chunks import chunk
from memory_svc.domain.documents import TRUSTED, Passage, Trust
from memory_svc.domain.index import Point
from memory_svc.domain.memory import CANDIDATES, EMBEDDED_OF_QUERY, Memory
from memory_svc.domain.recall import fuse
from memory_svc.domain.settings import MemorySettings
from memory_svc.domain.store import Proposal, Snapshot, SourceFile
from memory_svc.domain.tidying import Tidying
from memory_svc.service import MemoryServicer
from memory_svc.storage.bm25 import encoder
from memory_svc.storage.documents import SqlDocuments
from memory_svc.storage.edge import EdgeIndex
from memory_svc.storage.minilm import MiniLm
from memory_svc.storage.payload import DENSE, LEXICAL

if TYPE_CHECKING:  # known to type checkers only
    from autopack.api.memory.v1.memory_service_pb2_grpc import MemoryServiceAsyncStub

QUESTIONS = Path(__file__).parent / "data" / "ledger_questions.tsv"
T = TypeVar("T")
PROJECT = "benchmark"
DAY = date(2026, 1, 1)


@dataclass(frozen=True, slots=True)
class Files:
    """A repository, and its only commit."""

    texts: Mapping[str, str]

    async def at(self, project_id: str, commit: str, git_address: str) -> Snapshot:
        """The files."""
        return self

    def read(self, path: str) -> str | None:
        """A file's text."""
        return self.texts.get(path)

    def sources(self) -> Iterator[SourceFile]:
        """None: ledgers are measured here."""
        return iter(())

    async def propose(self, proposal: Proposal) -> str:
        """Nothing lands here."""
        raise AssertionError(f"retrieval proposes nothing: {proposal.message}")


@dataclass(frozen=True, slots=True)
class Bench:
    """Memory as the all-in-one has it, in a directory of its own."""

    store: SqlDocuments
    index: EdgeIndex
    embedder: MiniLm

    def memory(self, texts: Mapping[str, str]) -> Memory:
        """Memory of a repository with these files."""
        return Memory(self.store, self.index, self.embedder, Files(texts), MemorySettings())


@asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    with tempfile.TemporaryDirectory() as directory:
        url = f"sqlite:///{directory}/memory.db"
        database = await asyncio.to_thread(Database.open, url, MIGRATIONS)
        embedder = MiniLm()
        index = EdgeIndex(Path(directory, "index"), embedder.name)
        try:
            yield Bench(SqlDocuments(database), index, embedder)
        finally:
            await index.close()
            await embedder.close()
            await database.close()


async def cranfield(directory: Path) -> None:
    """nDCG@10 of BM25, dense and both on the 225 questions of Cranfield, in its TREC form."""
    documents = dict(_cranfield_documents((directory / "cran.all.1400.xml").read_text()))
    topics = (directory / "cran.qry.xml").read_text()
    # The judgements count the questions as they stand; their own numbers have gaps.
    questions = [" ".join(text.split()) for text in re.findall(r"<title>(.*?)</title>", topics, re.DOTALL)]
    relevant: dict[int, set[str]] = {}
    for line in (directory / "cranqrel.trec.txt").read_text().splitlines():
        question_number, _, document, judgement = line.split()
        if int(judgement) > 0:
            relevant.setdefault(int(question_number), set()).add(document)
    scores: dict[str, list[float]] = {"BM25": [], "dense": [], "hybrid": []}
    async with bench() as one:
        limit = MemorySettings().chunk_max_chars
        passages = [
            Passage(number, text, name, "", Trust.ACCEPTED, datetime(2026, 1, 1, tzinfo=UTC), "", "")
            for name, (title, body) in documents.items()
            for number, text in enumerate(chunk(title, body, limit))
        ]
        for start in range(0, len(passages), 256):
            part = passages[start : start + 256]
            vectors = await one.embedder.embed([passage.text for passage in part])
            points = [Point(passage, vector) for passage, vector in zip(part, vectors, strict=True)]
            await one.index.upsert(PROJECT, points)
        for number, question in enumerate(questions, start=1):
            (vector,) = await one.embedder.embed([question[:EMBEDDED_OF_QUERY]])
            near, lexical = await one.index.search(PROJECT, vector, question, TRUSTED, CANDIDATES)
            both = [hit.passage for hit in fuse((near, lexical))]
            for name, ranking in (("BM25", lexical), ("dense", near), ("hybrid", both)):
                scores[name].append(_ndcg([passage.source for passage in ranking], relevant[number]))
    print(f"{len(documents)} documents in {len(passages)} passages, {len(questions)} questions; {_machine()}")
    means = {name: statistics.mean(values) for name, values in scores.items()}
    for name, mean in means.items():
        print(f"{name:7} nDCG@10 {mean:.4f}")
    better = max(means["BM25"], means["dense"])
    print(f"hybrid is {means['hybrid'] / better - 1:+.1%} of the better one")


def _cranfield_documents(text: str) -> Iterator[tuple[str, tuple[str, str]]]:
    for document in re.findall(r"<doc>(.*?)</doc>", text, re.DOTALL):
        fields = dict(re.findall(r"<(docno|title|text)>(.*?)</\1>", document, re.DOTALL))
        title, body = (" ".join(fields.get(name, "").split()) for name in ("title", "text"))
        # The text repeats the title.
        yield fields["docno"].strip(), (title, body.removeprefix(title).strip())


def _ndcg(ranking: Iterable[str], relevant: set[str]) -> float:
    """At 10, of documents: the best passage of each counts; judgements are yes or no."""
    top = list(dict.fromkeys(ranking))[:10]
    gain = sum(1 / math.log2(rank + 2) for rank, document in enumerate(top) if document in relevant)
    return gain / sum(1 / math.log2(rank + 2) for rank in range(min(10, len(relevant))))


async def ledger(changes: str) -> None:
    """hit@3 of 120 questions over a ledger made of Flask's CHANGES.rst, through Memory.recall."""
    told = list(_changes(changes))
    texts, ids = _ledger([text for _, text in told])
    entry_of = {key: entry_id for (key, _), entry_id in zip(told, ids, strict=True)}
    asked = [line.split("\t") for line in QUESTIONS.read_text().splitlines()]
    halves: dict[str, list[tuple[bool, bool]]] = {"tuning": [], "held out": []}
    missed: list[str] = []
    async with bench() as one:
        memory = one.memory(texts)
        await memory.index(PROJECT, "c" * 40, "", False, False)
        for number, (question, *keys) in enumerate(asked):
            recalled = await memory.recall(PROJECT, question, 3, 0, False, False)
            found = [hit.passage.entry_id for hit in recalled.hits]
            wanted = {entry_of[key] for key in keys}
            half = "held out" if number % 2 else "tuning"
            halves[half].append((bool(wanted & set(found)), bool(wanted & set(found[:1]))))
            if half == "tuning" and not wanted & set(found):
                missed.append(f"  missed: {question} ({keys[0]})")
    print(f"{len(told)} entries, {len(asked)} questions; {_machine()}")
    for half, hits in halves.items():
        at_3, at_1 = (statistics.mean(hit[place] for hit in hits) for place in (0, 1))
        print(f"{half:9} {len(hits)} questions: hit@3 {at_3:.3f}, hit@1 {at_1:.3f}")
    every = [hit for hits in halves.values() for hit in hits]
    print(f"all       {len(every)} questions: hit@3 {statistics.mean(hit[0] for hit in every):.3f}")
    print("\n".join(missed))


def _changes(text: str) -> Iterator[tuple[str, str]]:
    """Every change with its version and number, as 2.0.1/6."""
    for release in re.split(r"^(?=Version )", text, flags=re.MULTILINE)[1:]:
        version = release.split()[1]
        for number, change in enumerate(re.split(r"^-   ", release, flags=re.MULTILINE)[1:], start=1):
            words = " ".join(re.split(r"\n(?=\S)|\n\n\n", change)[0].split())
            yield f"{version}/{number}", re.sub(r":\w+:`[^`]*`,? ?", "", words)


def _ledger(changes: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """The files of a build history with an entry for each change, and the entries' ids."""
    contents = []
    for change in changes:
        title = change if len(change) <= TITLE_LIMIT else change[: TITLE_LIMIT - 1] + "…"
        fields = {"What changed": change, "Verified": "released"}
        contents.append((make_content(Kind.BUILD, title, fields), DAY))
    made = append(empty(Kind.BUILD), contents, DAY)
    return render_files(made), [entry.entry_id for entry in made.entries]


async def scale(changes: str, chunks: int, entries: int) -> None:
    """Recall over many passages beside the engine alone; indexing many entries, then 50 changed ones."""
    told = [text for _, text in _changes(changes)]
    sentences = [part for text in told for part in re.split(r"(?<=\.) ", text) if len(part) > 30]
    draw = random.Random(7)
    many = [" ".join(draw.sample(sentences, 2)) + f" Case {number}." for number in range(entries)]
    async with bench() as one:
        await one.embedder.embed(["warm"])
        texts, _ = _ledger(many)
        used = time.process_time()
        seconds, indexed = await _timed(lambda: one.memory(texts).index(PROJECT, "a" * 40, "", False, False))
        used = time.process_time() - used
        print(
            f"indexing {entries} entries ({indexed.chunks} passages): {seconds:.1f} s, {used:.1f} s of them"
        )
        print(f"  of processor time on both cores together; {_machine()}")
        texts, _ = _ledger([*many[:-50], *(f"{text} Altered." for text in many[-50:])])
        seconds, indexed = await _timed(lambda: one.memory(texts).index(PROJECT, "b" * 40, "", False, False))
        changes = f"{indexed.added} added, {indexed.removed} removed"
        print(f"50 changed entries ({changes}): {seconds:.2f} s; {_machine()}")
        print(f"memory of the process: {_resident()} MB")
    async with bench() as one:
        await _fill(one, [" ".join(draw.sample(sentences, 3)) for _ in range(4000)], chunks)
        seconds, _ = await _timed(lambda: one.index.optimize(PROJECT))
        print(f"search graph of {chunks} passages, in a process of its own: {seconds:.0f} s; {_machine()}")
        async with _served(one) as stub:
            await _latency(one, stub, sentences, chunks)
        print(f"memory of the process: {_resident()} MB")


async def _fill(one: Bench, texts: Sequence[str], chunks: int) -> None:
    """Passages with vectors scattered around those of real texts: embedding them all would take an hour."""
    made, _ = _ledger(texts[:1])
    await one.memory(made).index(PROJECT, "a" * 40, "", False, False)
    vectors = np.array(await one.embedder.embed(texts))
    noise = np.random.default_rng(7)
    time_ = datetime(2026, 1, 1, tzinfo=UTC)
    for start in range(0, chunks, 1000):
        points = []
        for number in range(start, min(start + 1000, chunks)):
            vector = vectors[number % len(texts)] + noise.normal(scale=0.02, size=vectors.shape[1])
            text = f"{texts[number % len(texts)]} {texts[(number * 7 + 1) % len(texts)][:80]} Case {number}."
            passage = Passage(number, text, "docs/BUILD_HISTORY.md", "", Trust.ACCEPTED, time_, "", "")
            points.append(Point(passage, (vector / np.linalg.norm(vector)).tolist()))
        await one.index.upsert(PROJECT, points)


@asynccontextmanager
async def _served(one: Bench) -> "AsyncIterator[MemoryServiceAsyncStub]":
    """The memory behind its service, on a Unix socket, as commands reach it."""
    with tempfile.TemporaryDirectory() as directory:
        database = await asyncio.to_thread(Database.open, f"sqlite:///{directory}/memory.db", MIGRATIONS)
        operations = [Operations(database, time.time, name) for name in ("StartTidy", "StartIndex")]
        servicer = MemoryServicer(one.memory({}), Tidying(one.store, Files({}), time.time), *operations)
        service = Service(
            "autopack.api.memory.v1.MemoryService",
            lambda server: memory_service_pb2_grpc.add_MemoryServiceServicer_to_server(servicer, server),
            memory_service_pb2.DESCRIPTOR,
        )
        server = create_server(ServerSettings(f"unix:{directory}/memory.sock"), [service])
        async with server, create_channel(server.address) as channel:
            yield memory_service_pb2_grpc.MemoryServiceStub(channel)
        await database.close()


async def _latency(one: Bench, stub: "MemoryServiceAsyncStub", sentences: Sequence[str], chunks: int) -> None:
    draw = random.Random(11)
    shard = next(iter(one.index._shards.values()))

    def alone(vector: Sequence[float], text: str) -> None:
        """The engine's own hybrid search: both rankings, fused by it."""
        words = edge.Query.Nearest(encoder().embed_query(text), using=LEXICAL)
        meaning = edge.Query.Nearest(list(vector), using=DENSE)
        fetched = [edge.Prefetch(limit=CANDIDATES, query=query) for query in (meaning, words)]
        fused: Any = edge.Fusion.Rrf(60)  # the stubs have it as no query
        shard.query(edge.QueryRequest(limit=3, query=fused, prefetches=fetched, with_payload=True))

    ours, engine = [], []
    for _ in range(220):
        question = " ".join(draw.choice(sentences).split()[:12])
        request = memory_service_pb2.RecallRequest(project_id=PROJECT, query=question)
        begin = time.perf_counter()
        answer = await stub.Recall(request)
        ours.append(time.perf_counter() - begin)
        if not answer.hits:
            raise AssertionError(f"nothing was recalled for {question!r}")
        begin = time.perf_counter()
        (vector,) = await one.embedder.embed([question])
        await asyncio.to_thread(alone, vector, question)
        engine.append(time.perf_counter() - begin)
    mine, theirs = (statistics.median(times[20:]) * 1000 for times in (ours, engine))
    tail = sorted(ours[20:])[189] * 1000
    print(
        f"Recall over {chunks} passages, through the service: median {mine:.1f} ms, 95 % under {tail:.1f} ms;"
        f" embedding and the engine alone {theirs:.1f} ms: {mine / theirs:.2f} x; {_machine()}"
    )


async def _timed(work: Callable[[], Awaitable[T]]) -> tuple[float, T]:
    begin = time.perf_counter()
    result = await work()
    return time.perf_counter() - begin, result


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1_000_000


def _machine() -> str:
    begin = time.perf_counter()
    total = 0
    for number in range(5_000_000):
        total += number
    loop = time.perf_counter() - begin
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    return f"empty loop {loop:.2f} s, {load}, Python {platform.python_version()}"


def main() -> None:
    """Prints what was measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.retrieval")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("cranfield", help="ranking, on Cranfield 1400 in TREC form")
    command.add_argument("directory", type=Path)
    command = commands.add_parser("ledger", help="questions over a real project's history")
    command.add_argument("changes", type=Path, help="CHANGES.rst of Flask")
    command = commands.add_parser("scale", help="times and memory")
    command.add_argument("changes", type=Path, help="CHANGES.rst of Flask: its words")
    command.add_argument("--chunks", type=int, default=100_000)
    command.add_argument("--entries", type=int, default=10_000)
    given = parser.parse_args()
    match given.command:
        case "cranfield":
            asyncio.run(cranfield(given.directory))
        case "ledger":
            asyncio.run(ledger(given.changes.read_text()))
        case _:
            asyncio.run(scale(given.changes.read_text(), given.chunks, given.entries))


if __name__ == "__main__":
    main()
