"""Records and documents in SQL, the same on SQLite and on Postgres."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from autopack.database.database import Database
from autopack.errors import AlreadyExists
from autopack.ledger.document import append, empty
from autopack.ledger.entry import Kind, make_content
from memory_svc.domain.documents import (
    FILE_TYPES,
    TRUSTED,
    Document,
    Trust,
    documents_of_ledgers,
    documents_of_run,
)
from memory_svc.domain.tidy import tidy
from memory_svc.storage.documents import SqlDocuments
from memory_svc.storage.tables import metadata, sot_entries
from tests.memory_svc.memory_samples import (
    PROJECT,
    SUBMITTED,
    ZERO_DIVISION,
    failed_phase,
    phase,
    refused,
    run,
)

TODAY = SUBMITTED.date()
FIXED = run("run-1", phase("fix-gcd", refused(1, ZERO_DIVISION)))
FAILED = run("run-2", failed_phase("cli", refused(1, ZERO_DIVISION)))


@pytest.fixture
def store(database: Database) -> SqlDocuments:
    return SqlDocuments(database)


def ledger_documents(count: int) -> tuple[Document, ...]:
    records = [run(f"run-{n}", phase("fix-gcd", refused(1, ZERO_DIVISION))) for n in range(count)]
    return documents_of_ledgers(tidy({kind: empty(kind) for kind in Kind}, records, TODAY))


async def keys(store: SqlDocuments, *file_types: str) -> list[str]:
    page = await store.page(PROJECT, file_types or tuple(FILE_TYPES.values()), "", 1000)
    return [listed.document.key for listed in page]


async def test_the_migration_makes_what_the_tables_say(database: Database) -> None:
    def work(connection: sa.Connection) -> None:
        inspector = sa.inspect(connection)
        for table in metadata.sorted_tables:
            made = {column["name"]: column for column in inspector.get_columns(table.name)}
            assert set(made) == {column.name for column in table.columns}
            for column in table.columns:
                assert made[column.name]["nullable"] == column.nullable
            indexes = {index["name"] for index in inspector.get_indexes(table.name)}
            assert {str(index.name) for index in table.indexes} <= indexes

    await database.read(work)


async def test_a_record_comes_back_as_it_was(store: SqlDocuments) -> None:
    await store.save_record(FIXED, "run-1/record", "a" * 64)

    assert await store.records(PROJECT) == [FIXED]
    assert await store.records(PROJECT, ["run-1", "run-9"]) == [FIXED]
    assert await store.records(PROJECT, []) == []
    assert await store.records("another") == []


async def test_records_are_in_order_of_submission(store: SqlDocuments) -> None:
    for n, day in enumerate((3, 1, 2)):
        record = replace(run(f"run-{n}", phase()), submit_time=datetime(2026, 1, day, tzinfo=UTC))
        await store.save_record(record, f"run-{n}/record", "a" * 64)

    assert [record.run_id for record in await store.records(PROJECT)] == ["run-1", "run-2", "run-0"]


async def test_the_same_request_is_kept_once_and_another_record_under_its_id_refused(
    store: SqlDocuments,
) -> None:
    assert await store.save_record(FIXED, "run-1/record", "a" * 64)
    assert not await store.save_record(FIXED, "run-1/record", "a" * 64)
    with pytest.raises(AlreadyExists) as refusal:
        await store.save_record(FAILED, "run-1/record", "b" * 64)

    assert refusal.value.reasons[0].code == "REQUEST_ID_REUSED"
    assert await store.records(PROJECT) == [FIXED]


async def test_a_run_recorded_again_replaces_what_was_known_of_it(store: SqlDocuments) -> None:
    await store.save_record(replace(FAILED, run_id="run-1"), "first", "a" * 64)
    await store.save_record(FIXED, "second", "b" * 64)

    assert await store.records(PROJECT) == [FIXED]
    assert {one.trust for one in await store.documents(PROJECT, frozenset(Trust))} == {Trust.PENDING}


async def test_a_record_is_at_once_pending_or_failed_and_never_trusted(store: SqlDocuments) -> None:
    await store.save_record(FIXED, "run-1/record", "a" * 64)
    await store.save_record(FAILED, "run-2/record", "b" * 64)

    state = await store.state(PROJECT)

    assert state.trusts == {Trust.PENDING, Trust.FAILED}
    assert await store.documents(PROJECT, TRUSTED) == []
    pending = await store.documents(PROJECT, {Trust.PENDING})
    assert {one.key for one in pending} == {"run:run-1:0", "run:run-1:1"}


async def test_a_run_that_the_ledgers_tell_of_is_not_pending_when_recorded_again(store: SqlDocuments) -> None:
    await store.replace(PROJECT, "c" * 40, ledger_documents(1))

    await store.save_record(replace(FIXED, run_id="run-0"), "run-0/record", "a" * 64)

    assert (await store.state(PROJECT)).trusts == {Trust.ACCEPTED}


async def test_documents_come_back_as_they_were(store: SqlDocuments) -> None:
    documents = (*ledger_documents(2), *documents_of_run(FAILED, tidied=True))

    await store.replace(PROJECT, "c" * 40, documents)

    assert set(await store.documents(PROJECT, frozenset(Trust))) == set(documents)
    assert await store.entries(PROJECT, ["BUILD-0002", "BUILD-0009"]) == [documents[1]]
    assert (await store.state(PROJECT)).commit == "c" * 40


async def test_documents_change_by_difference_and_removed_ones_go(
    store: SqlDocuments, database: Database
) -> None:
    await store.replace(PROJECT, "c" * 40, ledger_documents(3))

    def touch(connection: sa.Connection) -> None:
        connection.execute(sa.update(sot_entries).values(title="touched"))

    await database.transaction(touch)
    changed = [replace(one, title="new") if one.key == "BUILD-0002" else one for one in ledger_documents(2)]
    await store.replace(PROJECT, "d" * 40, changed)

    titles = {one.key: one.title for one in await store.documents(PROJECT, frozenset(Trust))}
    assert titles == {
        "BUILD-0001": "touched",
        "BUILD-0002": "new",
        "DBG-0001": "touched",
        "DBG-0002": "touched",
    }


async def test_the_list_has_pending_entries_first_then_the_newest(store: SqlDocuments) -> None:
    await store.replace(PROJECT, "c" * 40, ledger_documents(12))
    await store.save_record(run("run-99", phase()), "run-99/record", "a" * 64)

    found = await keys(store, FILE_TYPES[Kind.BUILD])

    assert found == ["run:run-99:0", *(f"BUILD-{n:04}" for n in range(12, 0, -1))]


async def test_pages_follow_each_other_without_gap_or_repetition(store: SqlDocuments) -> None:
    await store.replace(PROJECT, "c" * 40, ledger_documents(12))
    file_types = tuple(FILE_TYPES.values())
    found: list[str] = []
    before = ""
    while page := await store.page(PROJECT, file_types, before, 5):
        found += [listed.document.key for listed in page]
        before = page[-1].position

    assert found == await keys(store)
    assert len(set(found)) == len(found) == 24


async def test_what_is_derived_can_be_forgotten_and_derived_again_identically(
    store: SqlDocuments, database: Database
) -> None:
    def rows(connection: sa.Connection) -> list[sa.Row[tuple[object, ...]]]:
        return sorted(connection.execute(sa.select(sot_entries)).all(), key=lambda row: str(row.id))

    await store.replace(PROJECT, "c" * 40, ledger_documents(3))
    before = await database.read(rows)

    await store.clear(PROJECT)
    assert (await store.state(PROJECT)).trusts == frozenset()
    await store.replace(PROJECT, "c" * 40, ledger_documents(3))

    assert await database.read(rows) == before


async def test_versions_grow_with_every_change(store: SqlDocuments) -> None:
    versions = [(await store.state(PROJECT)).version]
    await store.save_record(FIXED, "run-1/record", "a" * 64)
    versions.append((await store.state(PROJECT)).version)
    await store.replace(PROJECT, "c" * 40, ())
    versions.append((await store.state(PROJECT)).version)

    assert versions == sorted(set(versions))


async def test_projects_are_apart(store: SqlDocuments) -> None:
    await store.replace(PROJECT, "c" * 40, ledger_documents(1))
    await store.replace("two", "d" * 40, ledger_documents(1))
    await store.clear("two")

    assert await keys(store) == ["DBG-0001", "BUILD-0001"]
    assert await store.documents("two", frozenset(Trust)) == []


async def test_a_superseded_entry_names_the_one_that_counts_now(store: SqlDocuments) -> None:
    ledger = empty(Kind.DECISION)
    values = {"Context": "c", "Decision": "d", "Alternatives": "a", "Consequences": "e"}
    for supersedes in ("", "DEC-0001", "DEC-0002"):
        content = make_content(Kind.DECISION, "D", {**values, "Supersedes": supersedes})
        ledger = append(ledger, [(content, TODAY)], TODAY)
    others = {kind: empty(kind) for kind in Kind}

    await store.replace(PROJECT, "c" * 40, documents_of_ledgers(others | {Kind.DECISION: ledger}))

    first, second, third = sorted(
        await store.documents(PROJECT, frozenset(Trust)), key=lambda document: document.key
    )
    assert (first.trust, first.successor) == (Trust.SUPERSEDED, "DEC-0003")
    assert (second.trust, second.successor) == (Trust.SUPERSEDED, "DEC-0003")
    assert (third.trust, third.successor) == (Trust.ACCEPTED, "")
