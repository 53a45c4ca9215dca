"""Run records and documents in SQL."""

import json
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlalchemy.engine import Connection

from autopack.database.database import Database
from autopack.errors import AlreadyExists, Reason
from autopack.ledger.entry import Field
from memory_svc.domain.documents import TRUSTED, Document, Trust, documents_of_run
from memory_svc.domain.records import RunRecord
from memory_svc.domain.store import ListedDocument, ProjectState
from memory_svc.storage.tables import projects, run_records, sot_entries

IN_LIMIT = 500
"""Values of one IN clause; SQLite takes 32,766 and Postgres plans badly long before."""

_COLUMNS = frozenset({"file_type", "key", "title", "trust", "create_time", "fields"})
"""Of a document, what has a column of its own or a form of its own."""


class SqlDocuments:
    """The DocumentStore on SQLite or Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save_record(self, record: RunRecord, request_id: str, request_digest: str) -> bool:
        def work(connection: Connection) -> bool:
            kept = connection.execute(
                sa.select(run_records.c.request_digest).where(run_records.c.request_id == request_id)
            ).scalar_one_or_none()
            if kept is not None and kept != request_digest:
                raise AlreadyExists(
                    Reason(
                        "REQUEST_ID_REUSED",
                        f"request_id {request_id!r} was used with another record",
                        "use a new request_id for another record",
                    )
                )
            if kept is not None:
                return False
            _bump(connection, record.project_id)
            _delete_record(connection, record)
            connection.execute(
                sa.insert(run_records).values(
                    project_id=record.project_id,
                    run_id=record.run_id,
                    request_id=request_id,
                    request_digest=request_digest,
                    submit_time=record.submit_time.timestamp(),
                    record=_record_json().dump_json(record).decode(),
                )
            )
            tidied = connection.execute(
                sa.select(sot_entries.c.id).where(
                    sot_entries.c.project_id == record.project_id,
                    sot_entries.c.run_id == record.run_id,
                    sot_entries.c.trust.in_(_values(TRUSTED)),
                )
            ).first()
            documents = documents_of_run(record, tidied is not None)
            _insert(connection, record.project_id, documents)
            return True

        return await self._database.transaction(work)

    async def records(self, project_id: str, run_ids: Collection[str] | None = None) -> list[RunRecord]:
        def work(connection: Connection) -> list[str]:
            rows: list[str] = []
            for part in [None] if run_ids is None else _parts(run_ids):
                query = sa.select(run_records.c.record).where(run_records.c.project_id == project_id)
                if part is not None:
                    query = query.where(run_records.c.run_id.in_(part))
                rows += connection.scalars(query.order_by(run_records.c.submit_time, run_records.c.run_id))
            return rows

        rows = await self._database.read(work)
        return [_record_json().validate_json(row) for row in rows]

    async def replace(self, project_id: str, commit: str, documents: Sequence[Document]) -> None:
        wanted = {(document.file_type, document.key): document for document in documents}
        hashes = {key: document.content_hash for key, document in wanted.items()}

        def work(connection: Connection) -> None:
            _bump(connection, project_id, commit)
            query = sa.select(
                sot_entries.c.id, sot_entries.c.file_type, sot_entries.c.entry_id, sot_entries.c.content_hash
            ).where(sot_entries.c.project_id == project_id)
            present = {(row.file_type, row.entry_id): row for row in connection.execute(query)}
            stale = [row.id for key, row in present.items() if hashes.get(key) != row.content_hash]
            for part in _parts(stale):
                connection.execute(sa.delete(sot_entries).where(sot_entries.c.id.in_(part)))
            new = (
                document
                for key, document in wanted.items()
                if key not in present or present[key].content_hash != hashes[key]
            )
            _insert(connection, project_id, new)

        await self._database.transaction(work)

    async def clear(self, project_id: str) -> None:
        def work(connection: Connection) -> None:
            _bump(connection, project_id, "")
            connection.execute(sa.delete(sot_entries).where(sot_entries.c.project_id == project_id))

        await self._database.transaction(work)

    async def state(self, project_id: str) -> ProjectState:
        def work(connection: Connection) -> ProjectState:
            row = connection.execute(
                sa.select(projects).where(projects.c.project_id == project_id)
            ).one_or_none()
            if row is None:
                return ProjectState("", 0, frozenset())
            trusts = connection.scalars(
                sa.select(sot_entries.c.trust).where(sot_entries.c.project_id == project_id).distinct()
            )
            return ProjectState(row.commit_id, row.version, frozenset(map(Trust, trusts)))

        return await self._database.read(work)

    async def documents(self, project_id: str, trusts: Collection[Trust]) -> list[Document]:
        def work(connection: Connection) -> list[Document]:
            query = sa.select(sot_entries).where(
                sot_entries.c.project_id == project_id, sot_entries.c.trust.in_(_values(trusts))
            )
            rows = connection.execute(query.order_by(sot_entries.c.position.desc()))
            return [_document(row._mapping) for row in rows]

        return await self._database.read(work)

    async def entries(self, project_id: str, entry_ids: Collection[str]) -> list[Document]:
        def work(connection: Connection) -> list[Document]:
            query = sa.select(sot_entries).where(
                sot_entries.c.project_id == project_id, sot_entries.c.entry_id.in_(sorted(entry_ids))
            )
            return [_document(row._mapping) for row in connection.execute(query)]

        return await self._database.read(work)

    async def page(
        self, project_id: str, file_types: Collection[str], before: str, limit: int
    ) -> list[ListedDocument]:
        def work(connection: Connection) -> list[ListedDocument]:
            query = sa.select(sot_entries).where(
                sot_entries.c.project_id == project_id, sot_entries.c.file_type.in_(sorted(file_types))
            )
            if before:
                query = query.where(sot_entries.c.position < before)
            rows = connection.execute(query.order_by(sot_entries.c.position.desc()).limit(limit))
            return [ListedDocument(_document(row._mapping), row.position) for row in rows]

        return await self._database.read(work)


@cache
def _record_json() -> TypeAdapter[RunRecord]:
    """Made at first use: it takes longer than all else that starting memory does."""
    return TypeAdapter(RunRecord)


def _values(trusts: Iterable[Trust]) -> list[str]:
    return sorted(trust.value for trust in trusts)


def _parts(values: Iterable[str]) -> list[list[str]]:
    values = sorted(values)
    return [values[start : start + IN_LIMIT] for start in range(0, len(values), IN_LIMIT)]


def _bump(connection: Connection, project_id: str, commit: str | None = None) -> None:
    """Counts a change of the project's documents; its row also keeps other writers out until the commit."""
    values: dict[str, Any] = {"version": projects.c.version + 1}
    if commit is not None:
        values["commit_id"] = commit
    changed = connection.execute(
        sa.update(projects).where(projects.c.project_id == project_id).values(**values)
    )
    if not changed.rowcount:
        connection.execute(
            sa.insert(projects).values(project_id=project_id, commit_id=commit or "", version=1)
        )


def _delete_record(connection: Connection, record: RunRecord) -> None:
    connection.execute(
        sa.delete(run_records).where(
            run_records.c.project_id == record.project_id, run_records.c.run_id == record.run_id
        )
    )
    connection.execute(
        sa.delete(sot_entries).where(
            sot_entries.c.project_id == record.project_id,
            sot_entries.c.run_id == record.run_id,
            sot_entries.c.trust.not_in(_values(TRUSTED)),
        )
    )


def _insert(connection: Connection, project_id: str, documents: Iterable[Document]) -> None:
    rows = [_row(project_id, document) for document in documents]
    if rows:
        connection.execute(sa.insert(sot_entries), rows)


def _row(project_id: str, document: Document) -> dict[str, Any]:
    said = {name: value for name, value in asdict(document).items() if name not in _COLUMNS}
    said["fields"] = [[field.name, field.value] for field in document.fields]
    created = document.create_time.timestamp()
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_OID, json.dumps([project_id, document.file_type, document.key]))),
        "project_id": project_id,
        "file_type": document.file_type,
        "entry_id": document.key,
        "title": document.title,
        "content": document.content,
        "metadata": json.dumps(said, ensure_ascii=False),
        "content_hash": document.content_hash,
        "trust": document.trust.value,
        "run_id": document.run_id,
        "position": _position(document),
        "created_at": created,
        # Not the time of writing: what is derived is the same whenever it is derived again.
        "updated_at": created,
    }


def _position(document: Document) -> str:
    pending = document.trust not in TRUSTED
    number = int(document.entry_id.partition("-")[2] or 0)
    time = document.create_time.isoformat()
    return f"{int(pending)} {time} {number:08} {document.file_type} {document.key}"


def _document(row: Mapping[Any, Any]) -> Document:
    said = json.loads(row["metadata"])
    fields = tuple(Field(name, value) for name, value in said.pop("fields"))
    return Document(
        file_type=row["file_type"],
        key=row["entry_id"],
        title=row["title"],
        fields=fields,
        create_time=datetime.fromtimestamp(row["created_at"], UTC),
        trust=Trust(row["trust"]),
        **said,
    )
