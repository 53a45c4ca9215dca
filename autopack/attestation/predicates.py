"""The predicates that are signed, by type; docs/FORMATS.md says what is in ours."""

CHANGE = "https://autopack.dev/attestations/change/v1"
"""Ours: why this change was accepted, all of it."""
RUN = "https://autopack.dev/attestations/run/v1"
"""Ours: how a run ended, and the heads of its records."""
KEYS = "https://autopack.dev/attestations/keys/v1"
"""Ours: which key follows which, and which is revoked."""
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
PROVENANCE = "https://slsa.dev/provenance/v1"
VERIFICATION_SUMMARY = "https://slsa.dev/verification_summary/v1"

OF_A_CHANGE = (CHANGE, TEST_RESULT, PROVENANCE, VERIFICATION_SUMMARY)
"""What every accepted change has, once each."""

BUILD_TYPE = "https://autopack.dev/build/v1"
GATE_ID = "https://autopack.dev/gate"
LEVEL = "AUTOPACK_GATED"
"""What a verification summary claims; no SLSA level (docs/SECURITY.md says why)."""
