"""Names of spans, attributes and metrics: OpenTelemetry's where it has one, else `autopack.*`.

The RPC conventions are not final; what pins them is here and nowhere else.
"""

from typing import Final

# OpenTelemetry's RPC conventions.
RPC_SYSTEM: Final = "rpc.system"
RPC_SERVICE: Final = "rpc.service"
RPC_METHOD: Final = "rpc.method"
RPC_GRPC_STATUS_CODE: Final = "rpc.grpc.status_code"
GRPC: Final = "grpc"

# OpenTelemetry's resource and error conventions.
SERVICE_NAME: Final = "service.name"
SERVICE_VERSION: Final = "service.version"
ERROR_TYPE: Final = "error.type"

# OpenTelemetry's conventions for generative models.
GEN_AI_REQUEST_MODEL: Final = "gen_ai.request.model"
GEN_AI_USAGE_INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
GEN_AI_USAGE_OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"

# Ours.
SERVICE: Final = "autopack.service"
PROJECT_ID: Final = "autopack.project_id"
RUN_ID: Final = "autopack.run_id"
PHASE_ID: Final = "autopack.phase_id"
ATTEMPT: Final = "autopack.attempt"
REQUEST_ID: Final = "autopack.request_id"
STATE: Final = "autopack.state"
REASON: Final = "autopack.reason"
VERDICT: Final = "autopack.verdict"
BUILDER_KIND: Final = "autopack.builder.kind"
CHECK_NAME: Final = "autopack.check.name"
CHECK_OUTCOME: Final = "autopack.check.outcome"
CHECK_CACHED: Final = "autopack.check.cached"
ANALYZER: Final = "autopack.analyzer"
FINDINGS: Final = "autopack.findings"
SANDBOX_TIER: Final = "autopack.sandbox.tier"
EXIT_CODE: Final = "process.exit.code"
COMMIT: Final = "autopack.commit"
BASE: Final = "autopack.base"
TREE: Final = "autopack.tree"
SLOT: Final = "autopack.slot"
CHANGE_DIGEST: Final = "autopack.change_digest"
ENTRIES: Final = "autopack.ledger.entries"
CHUNKS: Final = "autopack.index.chunks"
HITS: Final = "autopack.recall.hits"

# Spans. RPC spans are named by the conventions: package.Service/Method.
RUN_SPAN: Final = "autopack.run"
PHASE_SPAN: Final = "autopack.phase"
ATTEMPT_SPAN: Final = "autopack.attempt"
BUILD_SPAN: Final = "autopack.build"
AUDIT_SPAN: Final = "autopack.audit"
ANALYZER_SPAN: Final = "autopack.audit.analyzer"
JUDGE_SPAN: Final = "autopack.judge"
GATE_SPAN: Final = "autopack.gate"
BASELINE_SPAN: Final = "autopack.gate.baseline"
CHECK_SPAN: Final = "autopack.gate.check"
PROBE_SPAN: Final = "autopack.gate.probe"
REPEAT_SPAN: Final = "autopack.gate.repeat"
SANDBOX_SPAN: Final = "autopack.sandbox.command"
MODEL_SPAN: Final = "autopack.build.model"
LAND_SPAN: Final = "autopack.land"
TIDY_SPAN: Final = "autopack.tidy"
INDEX_SPAN: Final = "autopack.index"
RECALL_SPAN: Final = "autopack.recall"
COMMAND_SPAN: Final = "autopack.command"

# Metrics.
RUNS_METRIC: Final = "autopack.runs"
PHASES_METRIC: Final = "autopack.phases"
ATTEMPTS_METRIC: Final = "autopack.attempts"
VERDICTS_METRIC: Final = "autopack.gate.verdicts"
CHECK_SECONDS_METRIC: Final = "autopack.gate.check.duration"
RPC_SERVER_METRIC: Final = "rpc.server.duration"
RPC_CLIENT_METRIC: Final = "rpc.client.duration"
SPANS_DROPPED_METRIC: Final = "autopack.telemetry.spans_dropped"
