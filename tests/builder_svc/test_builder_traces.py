"""What a build leaves in the trace: which span is whose child, with which attributes."""

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from autopack.telemetry import names
from autopack.telemetry.tracing import use_provider
from tests.builder_svc.builder_harness import PROJECT, Client, command, named
from tests.builder_svc.scripted_model import edits, scripted_model


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    made = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(made))
    before = use_provider(provider)
    yield made
    use_provider(before)


def find(exporter: InMemorySpanExporter, name: str) -> ReadableSpan:
    (found,) = [span for span in exporter.get_finished_spans() if span.name == name]
    return found


def is_child(child: ReadableSpan, parent: ReadableSpan) -> bool:
    return child.parent is not None and child.parent.span_id == parent.context.span_id


async def test_a_model_build_is_traced_with_tokens_and_outcome(
    exporter: InMemorySpanExporter, client: Client
) -> None:
    async with scripted_model(edits()) as model:
        policy = f"version: 1\nbuilders: {{local: {{kind: model, model: m, endpoint: '{model.endpoint}'}}}}\n"
        await client.build(client.request(named(), policy=policy))
    build, call = find(exporter, names.BUILD_SPAN), find(exporter, names.MODEL_SPAN)
    start = [
        span for span in exporter.get_finished_spans() if span.name.endswith("BuilderService/StartBuild")
    ]
    put = [span for span in exporter.get_finished_spans() if span.name.endswith("GitService/PutPack")]
    assert is_child(call, build)
    assert any(is_child(build, span) for span in start)
    assert not put
    assert build.attributes == {
        names.REQUEST_ID: "run/phase/1/build",
        names.PROJECT_ID: PROJECT,
        names.PHASE_ID: "phase",
        names.ATTEMPT: 1,
        names.BUILDER_KIND: "model",
        names.STATE: "FAILED",
        names.REASON: "NO_CHANGE",
    }
    assert call.attributes == {
        names.GEN_AI_REQUEST_MODEL: "m",
        names.GEN_AI_USAGE_INPUT_TOKENS: 11,
        names.GEN_AI_USAGE_OUTPUT_TOKENS: 7,
    }


async def test_a_command_build_is_traced_with_its_sandbox_and_the_upload(
    exporter: InMemorySpanExporter, client: Client
) -> None:
    await client.build(client.request(command("echo >src/x")))
    build, run = find(exporter, names.BUILD_SPAN), find(exporter, names.SANDBOX_SPAN)
    assert is_child(run, build)
    assert (run.attributes or {})[names.EXIT_CODE] == 0
    assert (run.attributes or {})[names.SANDBOX_TIER] in {"namespaces", "landlock"}
    assert (build.attributes or {})[names.STATE] == "SUCCEEDED"
    uploads = [span for span in exporter.get_finished_spans() if span.name.endswith("GitService/PutPack")]
    assert any(is_child(span, build) for span in uploads)
