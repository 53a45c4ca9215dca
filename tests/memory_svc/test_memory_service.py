"""Memory through its contract: records become ledgers, ledgers become what is recalled."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from textwrap import indent

import pytest

from autopack.api.ledger.v1 import ledger_pb2
from autopack.api.memory.v1 import memory_pb2
from autopack.api.memory.v1.memory_service_pb2 import (
    ListEntriesRequest,
    StartTidyRequest,
    WaitIndexRequest,
    WaitTidyRequest,
)
from autopack.errors import (
    AlreadyExists,
    Internal,
    InvalidInput,
    NotFound,
    PermissionDenied,
    Reason,
    Unavailable,
)
from autopack.ledger.document import append, parse
from autopack.ledger.entry import LEDGERS, Kind
from autopack.ledger.files import render_files
from autopack.rpc.errors import call
from memory_svc.config import Config
from memory_svc.domain.settings import MemorySettings
from memory_svc.storage.minilm import MiniLm
from tests.memory_svc.memory_harness import TOKEN, Bench, Owner, record_request, running_bench, running_owner
from tests.memory_svc.memory_samples import PROJECT, ZERO_DIVISION, failed_phase, phase, refused, run

NOT_AN_ANSWER = (PermissionDenied, Unavailable, Internal)
"""Of an operation that is to be started again; Internal to who asks after it has ended."""
README = {"README.md": b"# mathlib\n"}
BUILD, DEBUG, DECISION = (LEDGERS[kind].path for kind in Kind)
FIXED = run("run-1", phase("fix-gcd", refused(1, ZERO_DIVISION)))
DOCS = run("run-2", phase("docs", goal="Explain how colours are mixed in the palette", paths=("docs/p.md",)))
FAILED = run(
    "run-3",
    failed_phase("cli", refused(1, Reason("CHECK_FAILED", "argparse.ArgumentError: conflicting option -v"))),
)
DRAFT = (
    "## DEC: {title}\n\n- **Context:** {words}\n- **Decision:** d\n- **Alternatives:** a\n"
    "- **Consequences:** e\n{more}\n"
)


@pytest.fixture
async def owner(tmp_path: Path) -> AsyncIterator[Owner]:
    async with running_owner(tmp_path) as running:
        yield running


@pytest.fixture
def own_config(tmp_path: Path) -> Config:
    return Config(tmp_path / "memory", f"unix:{tmp_path / 'memory.sock'}")


@pytest.fixture
def config(own_config: Config, minilm: MiniLm, monkeypatch: pytest.MonkeyPatch) -> Config:
    """With the one model that all tests share; loading it takes a second."""

    async def stay_open() -> None:
        return None

    monkeypatch.setattr(minilm, "close", stay_open)
    monkeypatch.setattr("memory_svc.storage.minilm.MiniLm", lambda: minilm)
    return own_config


@pytest.fixture
async def bench(config: Config, owner: Owner) -> AsyncIterator[Bench]:
    async with running_bench(config, owner) as running:
        yield running


async def landed(bench: Bench, *records: object) -> str:
    """A base with the entries of these runs, indexed."""
    base = bench.owner.commit(README)
    await bench.record(*records)  # type: ignore[arg-type]
    tidy = await bench.tidy(base, *(record.run_id for record in records))  # type: ignore[attr-defined]
    assert tidy.state == memory_pb2.WORK_STATE_SUCCEEDED, tidy
    await bench.index(tidy.commit)
    return tidy.commit


# Tidy


async def test_tidy_gives_one_commit_that_the_gate_would_accept(bench: Bench) -> None:
    base = bench.owner.commit(README)
    await bench.record(FIXED, DOCS)

    tidy = await bench.tidy(base, "run-1", "run-2")

    assert bench.owner.received == [tidy.commit]
    assert bench.owner.store.parents(tidy.commit) == (base,)
    assert bench.owner.refusals(base, tidy.commit) == ()
    assert [entry.entry_id for entry in tidy.entries] == ["BUILD-0001", "BUILD-0002", "DBG-0001"]
    text = bench.owner.text(tidy.commit, BUILD)
    assert [entry.digest for entry in parse(Kind.BUILD, text).entries] == [e.digest for e in tidy.entries[:2]]
    assert "| 2 |" in bench.owner.text(tidy.commit, "docs/INDEX.md")
    assert bench.owner.text(tidy.commit, "README.md") == "# mathlib\n"


async def test_a_second_tidy_adds_to_the_first_and_nothing_twice(bench: Bench) -> None:
    base = bench.owner.commit(README)
    await bench.record(FIXED, DOCS)
    first = await bench.tidy(base, "run-1")

    second = await bench.tidy(first.commit, "run-1", "run-2")
    third = await bench.tidy(second.commit, "run-1", "run-2")

    assert [entry.entry_id for entry in second.entries] == ["BUILD-0002"]
    assert second.entries[0].previous_digest == first.entries[0].digest
    assert bench.owner.refusals(first.commit, second.commit) == ()
    assert (third.state, third.commit) == (memory_pb2.WORK_STATE_SUCCEEDED, "")


async def test_two_tidies_of_one_base_give_the_same_commit(bench: Bench) -> None:
    base = bench.owner.commit(README)
    await bench.record(FIXED, DOCS)

    one, other = await asyncio.gather(
        bench.tidy(base, "run-1", "run-2", request_id="a"), bench.tidy(base, "run-1", "run-2", request_id="b")
    )

    assert one.commit == other.commit


async def test_what_people_wrote_stays_and_drafts_are_sealed(bench: Bench) -> None:
    draft = DRAFT.format(title="By hand", words="c", more="")
    files = {**README, BUILD: b"# Our history\n\nBefore Autopack.\n", DECISION: draft.encode()}
    base = bench.owner.commit({**files, "docs/INDEX.md": b"# Docs\n\nOurs.\n"})
    await bench.record(FIXED)

    tidy = await bench.tidy(base, "run-1")

    assert bench.owner.refusals(base, tidy.commit) == ()
    assert bench.owner.text(tidy.commit, BUILD).startswith("# Our history\n\nBefore Autopack.\n")
    assert bench.owner.text(tidy.commit, "docs/INDEX.md").startswith("# Docs\n\nOurs.\n")
    assert "## DEC-0001: By hand" in bench.owner.text(tidy.commit, DECISION)


async def test_a_ledger_that_was_touched_is_never_built_upon(bench: Bench) -> None:
    commit = await landed(bench, FIXED)
    files = bench.owner.files(commit)
    base = bench.owner.commit({**files, DEBUG: files[DEBUG].replace(b"CHECK_FAILED", b"NOTHING")}, commit)
    await bench.record(DOCS)

    tidy = await bench.tidy(base, "run-2")

    assert tidy.state == memory_pb2.WORK_STATE_FAILED
    assert (tidy.reasons[0].code, tidy.reasons[0].path) == ("LEDGER_DIGEST_MISMATCH", DEBUG)
    assert tidy.reasons[0].line > 1


async def test_a_run_that_nobody_recorded_is_named(bench: Bench) -> None:
    tidy = await bench.tidy(bench.owner.commit(README), "run-1")

    assert tidy.state == memory_pb2.WORK_STATE_FAILED
    assert tidy.reasons[0].code == "RUN_RECORD_NOT_FOUND"
    assert "run-1" in tidy.reasons[0].message


async def test_runs_of_tidy_itself_are_no_news(bench: Bench) -> None:
    commit = await landed(bench, FIXED)
    await bench.record(run("tidy-1", phase("tidy", category="ledger")))

    assert (await bench.tidy(commit, "run-1", "tidy-1")).commit == ""
    assert "" not in await bench.entry_ids()


async def test_a_tidy_whose_upload_is_refused_can_be_tried_again(bench: Bench) -> None:
    base = bench.owner.commit(README)
    await bench.record(FIXED)
    request = StartTidyRequest(
        request_id="tidy",
        project_id=PROJECT,
        base=base,
        run_ids=["run-1"],
        upload_token="stale",
        git_address=bench.owner.address,
    )
    await call(bench.stub.StartTidy(request))
    with pytest.raises(NOT_AN_ANSWER):
        await call(bench.stub.WaitTidy(WaitTidyRequest(request_id="tidy")))

    request.upload_token = TOKEN
    await call(bench.stub.StartTidy(request))

    tidy = (await call(bench.stub.WaitTidy(WaitTidyRequest(request_id="tidy")))).tidy
    assert tidy.commit in bench.owner.received


async def test_secrets_and_paths_of_machines_reach_no_ledger(bench: Bench) -> None:
    secret = "ghp_" + "a1B2" * 9
    reason = Reason("CHECK_FAILED", f"{secret} in /home/alice/mathlib/src/gcd.py", path="/home/alice/x.py")
    await bench.record(run("run-1", phase("fix", refused(1, reason), goal=f"use {secret}")))

    tidy = await bench.tidy(bench.owner.commit(README), "run-1")

    said = b"".join(bench.owner.files(tidy.commit).values())
    assert secret.encode() not in said
    assert b"alice" not in said


async def test_a_ledger_of_many_megabytes_is_added_to(bench: Bench) -> None:
    words = "words of a decision that is told at length\n" * 12_000
    draft = DRAFT.format(title="Long", words=f"c\n{indent(words, chr(32) * 2)}", more="")
    large = append(parse(Kind.DECISION, draft * 22), [], date(2026, 1, 31))
    files = {path: text.encode() for path, text in render_files(large).items()}
    assert len(files[DECISION]) > 11_000_000
    base = bench.owner.commit(README | files)
    await bench.record(FIXED)

    tidy = await bench.tidy(base, "run-1")

    assert [entry.entry_id for entry in tidy.entries] == ["BUILD-0001", "DBG-0001"]
    assert bench.owner.refusals(base, tidy.commit) == ()


# Index and recall


async def test_what_was_learned_is_recalled_with_its_source(bench: Bench) -> None:
    commit = await landed(bench, FIXED, DOCS)

    hits = await bench.recall("a check fails: ZeroDivisionError: integer modulo by zero")

    assert hits[0].entry_id == "DBG-0001"
    assert "ZeroDivisionError" in hits[0].text
    assert (hits[0].source, hits[0].trust, hits[0].commit) == (DEBUG, "accepted", commit)
    assert hits[0].create_time.ToDatetime().date() == FIXED.submit_time.date()


async def test_meaning_finds_what_shares_no_word(bench: Bench) -> None:
    await landed(bench, FIXED, DOCS)

    hits = await bench.recall("blending paint hues", top_k=1)

    assert hits[0].entry_id == "BUILD-0002"


async def test_removed_text_is_recalled_no_more(bench: Bench) -> None:
    commit = await landed(bench, FIXED, DOCS)

    index = await bench.index(bench.owner.commit(README))

    assert (index.chunks, index.added, index.removed) == (0, 0, 3)
    assert await bench.recall("ZeroDivisionError") == []
    assert (await bench.index(commit)).chunks == 3


async def test_only_what_changed_is_embedded(bench: Bench) -> None:
    commit = await landed(bench, FIXED)
    await bench.record(DOCS)
    tidy = await bench.tidy(commit, "run-2")

    index = await bench.index(tidy.commit)
    again = await bench.index(tidy.commit)

    assert (index.chunks, index.added, index.removed) == (3, 1, 0)
    assert (again.chunks, again.added, again.removed) == (3, 0, 0)


async def everything(bench: Bench) -> list[list[memory_pb2.Hit]]:
    query = "ZeroDivisionError conflicting option palette"
    return [await bench.recall(query, pending, top_k=100, max_chars=200000) for pending in (False, True)]


async def test_all_that_is_derived_can_be_forgotten_and_comes_back_identical(bench: Bench) -> None:
    commit = await landed(bench, FIXED, DOCS)
    await bench.record(FAILED)
    before, entries = await everything(bench), await bench.entry_ids()

    index = await bench.index(commit, rebuild=True)

    assert (index.added, index.chunks) == (3, 3)
    assert await everything(bench) == before
    assert await bench.entry_ids() == entries


async def test_an_index_that_was_deleted_is_made_again_by_the_next_indexing(
    config: Config, owner: Owner
) -> None:
    async with running_bench(config, owner) as bench:
        commit = await landed(bench, FIXED, DOCS)
        await bench.record(FAILED)
        before = await everything(bench)
    await asyncio.to_thread(shutil.rmtree, config.directory / "index")
    await asyncio.to_thread(shutil.rmtree, config.directory / "git")

    async with running_bench(config, owner) as bench:
        assert await bench.recall("ZeroDivisionError") == []
        bench.numbers = 100
        assert (await bench.index(commit)).added == 3
        assert await everything(bench) == before


async def test_what_has_not_passed_the_gate_is_recalled_only_when_asked_for(bench: Bench) -> None:
    await landed(bench, DOCS)
    await bench.record(FAILED, replace(FIXED, run_id="run-9"))

    unasked = await bench.recall("argparse.ArgumentError: conflicting option -v; ZeroDivisionError")
    asked = await bench.recall(
        "argparse.ArgumentError: conflicting option -v; ZeroDivisionError", pending=True
    )

    assert {hit.trust for hit in unasked} == {"accepted"}
    assert {(hit.source, hit.trust) for hit in asked} >= {("run:run-3", "failed"), ("run:run-9", "pending")}
    assert all(hit.entry_id == "" for hit in asked if hit.trust != "accepted")
    assert next(hit.commit for hit in asked if hit.source == "run:run-9") == FIXED.head


async def test_a_failure_is_recalled_the_moment_it_is_recorded(bench: Bench) -> None:
    await bench.record(FAILED)
    query = "conflicting option -v"
    assert [hit.trust for hit in await bench.recall(query, pending=True)] == ["failed"]
    await bench.record(replace(FAILED, run_id="run-4"))

    assert [hit.source for hit in await bench.recall(query, pending=True)] != []


async def test_superseded_decisions_are_marked_and_stand_below_what_counts(bench: Bench) -> None:
    drafts = DRAFT.format(title="Lock files guard the cache", words="the cache needs a guard", more="")
    drafts += DRAFT.format(title="One writer", words="queues", more="- **Supersedes:** DEC-0001\n")
    tidy = await bench.tidy(bench.owner.commit({**README, DECISION: drafts.encode()}))
    await bench.index(tidy.commit)

    hits = await bench.recall("which lock files guard the cache?")

    assert [(hit.entry_id, hit.trust) for hit in hits] == [
        ("DEC-0002", "accepted"),
        ("DEC-0001", "superseded"),
    ]


async def test_an_answer_keeps_to_its_budget(bench: Bench) -> None:
    await landed(bench, FIXED, DOCS)

    assert len(await bench.recall("gcd", top_k=1)) == 1
    assert len(await bench.recall("gcd")) == 3
    assert sum(len(hit.text) for hit in await bench.recall("gcd", max_chars=500)) <= 500


async def test_other_projects_are_never_seen(bench: Bench) -> None:
    await landed(bench, FIXED)

    assert await bench.recall("ZeroDivisionError", pending=True, project="another") == []


async def test_a_ledger_that_cannot_be_read_fails_the_indexing_and_leaves_the_index(bench: Bench) -> None:
    commit = await landed(bench, FIXED)
    broken = bench.owner.commit({BUILD: b"\xff"}, commit)

    index = await bench.index(broken)

    assert index.state == memory_pb2.WORK_STATE_FAILED
    assert index.reasons[0].code == "LEDGER_NOT_UTF8"
    assert (await bench.recall("ZeroDivisionError"))[0].commit == commit


# Lists


async def test_entries_are_listed_newest_first_pending_ones_without_an_id(bench: Bench) -> None:
    await landed(bench, FIXED)
    await bench.record(DOCS)

    response = await call(bench.stub.ListEntries(ListEntriesRequest(project_id=PROJECT)))

    assert [entry.entry_id for entry in response.entries] == ["", "DBG-0001", "BUILD-0001"]
    pending, debug, build = response.entries
    assert (pending.kind, pending.digest) == (ledger_pb2.LEDGER_KIND_BUILD_HISTORY, "")
    assert debug.fields[0].name == "Failure"
    assert len(build.digest) == 64
    assert response.next_page_token == ""


async def test_pages_are_of_one_list(bench: Bench) -> None:
    await landed(bench, FIXED, DOCS)
    request = ListEntriesRequest(project_id=PROJECT, kind=ledger_pb2.LEDGER_KIND_BUILD_HISTORY, page_size=1)
    first = await call(bench.stub.ListEntries(request))
    request.page_token = first.next_page_token
    second = await call(bench.stub.ListEntries(request))

    assert [first.entries[0].entry_id, second.entries[0].entry_id] == ["BUILD-0002", "BUILD-0001"]
    request.page_token = second.next_page_token
    assert list((await call(bench.stub.ListEntries(request))).entries) == []
    for token, project in (("nonsense", PROJECT), (first.next_page_token, "another")):
        with pytest.raises(InvalidInput) as refusal:
            await call(bench.stub.ListEntries(ListEntriesRequest(project_id=project, page_token=token)))
        assert refusal.value.reasons[0].code == "PAGE_TOKEN_INVALID"


# Requests


async def test_the_same_record_twice_is_once_and_another_under_its_id_is_refused(bench: Bench) -> None:
    await bench.record(FIXED, FIXED)

    with pytest.raises(AlreadyExists) as refusal:
        await call(bench.stub.RecordRun(record_request(DOCS, "run-1/record")))

    assert refusal.value.reasons[0].code == "REQUEST_ID_REUSED"


async def test_a_state_that_is_none_is_refused_and_not_lost_in_silence(bench: Bench) -> None:
    request = record_request(FIXED)
    request.record.phases[0].attempts[0].state = "ATTEMPT_STATE_REFUSED"

    with pytest.raises(InvalidInput, match=r"phases\[0\].attempts\[0\].state"):
        await call(bench.stub.RecordRun(request))


async def test_what_was_never_started_is_not_found(bench: Bench) -> None:
    with pytest.raises(NotFound):
        await call(bench.stub.WaitTidy(WaitTidyRequest(request_id="never")))
    with pytest.raises(NotFound):
        await call(bench.stub.WaitIndex(WaitIndexRequest(request_id="never")))


async def test_a_tidy_that_could_not_reach_the_owner_is_started_anew(bench: Bench, tmp_path: Path) -> None:
    base, address = bench.owner.commit(README), bench.owner.address
    await bench.record(FIXED)
    bench.owner.address = f"unix:{tmp_path / 'nobody.sock'}"
    with pytest.raises(NOT_AN_ANSWER):
        await bench.tidy(base, "run-1", request_id="tidy")

    bench.owner.address = address

    assert (await bench.tidy(base, "run-1", request_id="tidy")).commit in bench.owner.received


# Switches


async def test_with_indexing_off_everything_else_works(config: Config, owner: Owner) -> None:
    config = replace(config, memory=MemorySettings(indexing=False))
    async with running_bench(config, owner) as bench:
        await landed(bench, FIXED)

        assert await bench.recall("ZeroDivisionError", pending=True) == []
        assert await bench.entry_ids() == ["DBG-0001", "BUILD-0001"]


async def test_with_retrieval_off_nothing_is_recalled(config: Config, owner: Owner) -> None:
    config = replace(config, memory=MemorySettings(retrieval=False))
    async with running_bench(config, owner) as bench:
        await landed(bench, FIXED)

        assert await bench.recall("ZeroDivisionError", pending=True) == []


async def test_where_nothing_was_learned_neither_model_nor_index_are_opened(
    own_config: Config, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = MiniLm()
    monkeypatch.setattr("memory_svc.storage.minilm.MiniLm", lambda: model)
    async with running_bench(own_config, owner) as bench:
        await bench.recall("anything", pending=True)
        await bench.record(FIXED)
        await bench.recall("anything")
        await bench.index(owner.commit(README))
        await bench.recall("anything")

        assert not model.loaded
        assert (
            await asyncio.to_thread(lambda: list((own_config.directory / "index").glob("autopack-*"))) == []
        )
        await bench.recall("anything", pending=True)
        assert model.loaded


# Failures that come again, and code


async def test_the_same_failure_is_recalled_before_what_reads_more_alike(bench: Bench) -> None:
    others = [run(f"run-{n}", phase(f"p-{n}", goal=f"Report discounts of month {n}")) for n in range(8)]
    known = run("run-9", phase("fix-gcd", refused(1, ZERO_DIVISION)))
    await landed(bench, *others, known)

    query = "Report discounts of a month\nCHECK_RAISED: check tests: ZeroDivisionError: division by zero"
    (first, *_) = await bench.recall(query)

    assert first.entry_id == "DBG-0001"
    assert "ZeroDivisionError" in first.text


async def test_code_is_recalled_where_it_was_indexed_and_asked_for(bench: Bench) -> None:
    source = b"def apply_discount(price, percent):\n    return price * (100 - percent) / 100\n"
    base = bench.owner.commit({"src/prices.py": source, "data.csv": b"discount,1\n", "x.bin": b"\0discount"})
    assert (await bench.index(base)).chunks == 0
    assert (await bench.index(base, include_code=True)).chunks == 1

    (hit,) = await bench.recall("where is the discount applied", include_code=True)
    assert (hit.source, hit.entry_id, hit.trust, hit.commit) == ("src/prices.py", "", "accepted", base)
    assert "def apply_discount" in hit.text
    assert not hit.HasField("create_time")
    assert await bench.recall("where is the discount applied") == []

    gone = bench.owner.commit({"src/other.py": b"x = 1\n"}, base)
    await bench.index(gone)
    assert len(await bench.recall("discount", include_code=True)) == 1
    await bench.index(gone, include_code=True)
    assert [hit.source for hit in await bench.recall("discount", include_code=True)] == ["src/other.py"]
