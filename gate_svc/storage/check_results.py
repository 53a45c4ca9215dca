"""Results of checks by digest, so that what was run on a tree need not be run on it again."""

import asyncio
import json
import zlib
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from autopack.database.database import Database
from autopack.database.upsert import upsert
from autopack.errors import Reason
from gate_svc.domain.evidence import CheckRun, Doubt, DoubtKind, Ended, Evidence, Outcome, Proof

_TOUCH_SECONDS = 24 * 3600.0
"""A use is written down once in this time."""

check_results = sa.Table(
    "check_results",
    sa.MetaData(),
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("result", sa.LargeBinary, nullable=False),
    sa.Column("use_time", sa.Float, nullable=False),
)
"""Times in Unix seconds."""


class CheckResults:
    """The stored results."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    async def get(self, key: str) -> CheckRun | None:
        """The stored result, or None."""
        data = await self._bytes(key)
        return None if data is None else await asyncio.to_thread(_decode, data)

    async def document(self, key: str) -> bytes | None:
        """What was put under this key by `put_document`, or None."""
        return await self._bytes(key)

    async def put_document(self, key: str, document: bytes) -> None:
        """Stores a document in place of an earlier one."""
        values = {"key": key, "result": document, "use_time": self._clock()}
        await self._database.transaction(lambda connection: connection.execute(upsert(check_results), values))

    async def _bytes(self, key: str) -> bytes | None:
        row = await self._database.read(
            lambda connection: connection.execute(
                sa.select(check_results.c.result, check_results.c.use_time).where(check_results.c.key == key)
            ).one_or_none()
        )
        if row is None:
            return None
        now = self._clock()
        if now - row.use_time > _TOUCH_SECONDS:
            await self._database.transaction(
                lambda connection: connection.execute(
                    sa.update(check_results).where(check_results.c.key == key).values(use_time=now)
                )
            )
        return bytes(row.result)

    async def put(self, key: str, run: CheckRun) -> None:
        """Stores a result in place of an earlier one."""
        await self.put_document(key, await asyncio.to_thread(_encode, run))

    async def prune(self, before: float) -> None:
        """Forgets what was not used since then."""
        await self._database.transaction(
            lambda connection: connection.execute(
                sa.delete(check_results).where(check_results.c.use_time < before)
            )
        )


def _encode(run: CheckRun) -> bytes:
    return zlib.compress(json.dumps(asdict(run), separators=(",", ":")).encode())


def _decode(data: bytes) -> CheckRun:
    document: dict[str, Any] = json.loads(zlib.decompress(data))
    evidence, fault = document["evidence"], document["fault"]
    return CheckRun(
        ended=Ended(**document["ended"]),
        evidence=evidence
        and Evidence(
            tests={name: Outcome(outcome) for name, outcome in evidence["tests"].items()},
            unloaded=tuple(evidence["unloaded"]),
            unfinished=tuple(evidence["unfinished"]),
            runner_failed=evidence["runner_failed"],
            proofs={name: Proof(proof) for name, proof in evidence["proofs"].items()},
            doubts={
                name: Doubt(DoubtKind(doubt["kind"]), doubt["detail"])
                for name, doubt in evidence["doubts"].items()
            },
            reached=evidence["reached"],
            canary=evidence["canary"] and Outcome(evidence["canary"]),
            twins=evidence["twins"],
        ),
        fault=fault and Reason(**fault),
        seconds=document["seconds"],
        output_tail=document["output_tail"],
    )
