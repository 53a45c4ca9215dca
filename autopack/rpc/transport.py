"""Channel arguments of both ends, side by side because they must agree.

A server answers pings that come more often than it allows with GOAWAY, and a peer that
takes less metadata than an error carries turns that error into RESOURCE_EXHAUSTED.
"""

import json

KEEPALIVE_SECONDS = 30
"""A client asks after a silent connection this often."""
KEEPALIVE_TIMEOUT_SECONDS = 10
"""A connection that has not answered for so long is dead."""
MAXIMUM_METADATA_BYTES = 1 << 20
"""Errors travel in trailing metadata, with all their reasons; gRPC's default is 8 KiB."""
CONNECTION_AGE_SECONDS = 600
"""Old connections are closed so that `dns:///` clients find new pods."""
CONNECTION_GRACE_SECONDS = 3600
"""How long a call may still run on a connection that is being closed."""

_BOTH: list[tuple[str, int | str]] = [
    ("grpc.keepalive_time_ms", KEEPALIVE_SECONDS * 1000),
    ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_SECONDS * 1000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.max_metadata_size", MAXIMUM_METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", MAXIMUM_METADATA_BYTES),
]

SERVER_OPTIONS: list[tuple[str, int | str]] = [
    *_BOTH,
    ("grpc.http2.min_ping_interval_without_data_ms", KEEPALIVE_SECONDS * 1000 // 3),
    ("grpc.max_connection_age_ms", CONNECTION_AGE_SECONDS * 1000),
    ("grpc.max_connection_age_grace_ms", CONNECTION_GRACE_SECONDS * 1000),
    # Two servers on one port would share its calls at random.
    ("grpc.so_reuseport", 0),
]

# Calls whose messages come in a stream are not retried: part of it may have been seen.
STREAMING_METHODS = (
    ("autopack.api.auditor.v1.AuditorService", "GetSarif"),
    ("autopack.api.git.v1.GitService", "GetPack"),
    ("autopack.api.git.v1.GitService", "PutPack"),
    ("autopack.api.orchestrator.v1.OrchestratorService", "WatchRun"),
    ("autopack.api.orchestrator.v1.OrchestratorService", "DiffPhase"),
    ("autopack.api.orchestrator.v1.OrchestratorService", "GetTrace"),
)

# Every unary call is a read or carries a request_id, so all of them may be repeated.
# gRPC itself adds jitter to the backoff.
_SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.1s",
                "maxBackoff": "2s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        },
        {"name": [{"service": service, "method": method} for service, method in STREAMING_METHODS]},
    ],
    "retryThrottling": {"maxTokens": 20, "tokenRatio": 0.5},
}

CHANNEL_OPTIONS: list[tuple[str, int | str]] = [
    *_BOTH,
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
    # Nobody else's DNS records decide how calls are retried.
    ("grpc.service_config_disable_resolution", 1),
    ("grpc.enable_http_proxy", 0),
    # A channel of its own: two channels to one address do not share a connection's fate.
    ("grpc.use_local_subchannel_pool", 1),
    # A service that restarts is found again within seconds, not minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 5000),
]
