"""What memory does is seen in the caller's trace, with what came of it."""

import asyncio
from pathlib import Path

from autopack.telemetry import names
from autopack.telemetry.setup import configure
from autopack.telemetry.spans import StoredSpan, spans_of_trace
from autopack.telemetry.tracing import span
from memory_svc.config import Config
from tests.memory_svc.memory_harness import running_bench, running_owner
from tests.memory_svc.memory_samples import PROJECT, ZERO_DIVISION, phase, refused, run


async def test_tidy_index_and_recall_are_spans_below_their_calls(
    tmp_path: Path,
) -> None:
    telemetry = configure("test", tmp_path / "spans.db", {})
    try:
        async with running_owner(tmp_path) as owner:
            config = Config(tmp_path / "memory", f"unix:{tmp_path / 'memory.sock'}")
            async with running_bench(config, owner) as bench:
                with span("test") as root:
                    await bench.record(run("run-1", phase("fix-gcd", refused(1, ZERO_DIVISION))))
                    tidy = await bench.tidy(owner.commit({"README.md": b""}), "run-1")
                    await bench.index(tidy.commit)
                    await bench.recall("ZeroDivisionError")
                trace_id = f"{root.get_span_context().trace_id:032x}"
    finally:
        telemetry.close()

    spans = {
        one.span_id: one for one in await asyncio.to_thread(spans_of_trace, tmp_path / "spans.db", trace_id)
    }

    def found(name: str) -> tuple[StoredSpan, str]:
        (one,) = (one for one in spans.values() if one.name == name)
        return one, spans[one.parent_span_id].name

    service = "autopack.api.memory.v1.MemoryService"
    tidied, caller = found(names.TIDY_SPAN)
    assert caller == f"{service}/StartTidy"
    assert tidied.attributes[names.ENTRIES] == 2
    assert tidied.attributes[names.PROJECT_ID] == PROJECT
    indexed, caller = found(names.INDEX_SPAN)
    assert caller == f"{service}/StartIndex"
    assert indexed.attributes[names.CHUNKS] == 2
    recalled, caller = found(names.RECALL_SPAN)
    assert caller == f"{service}/Recall"
    assert recalled.attributes[names.HITS] == 2
    assert {one.name.split("/")[1] for one in spans.values() if one.name.startswith("autopack.api.git")} == {
        "GetPack",
        "PutPack",
    }
