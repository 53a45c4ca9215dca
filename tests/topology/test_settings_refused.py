"""Settings that cannot be used end the start with a reason that names the variable."""

from importlib import import_module

import pytest

from autopack.errors import InvalidInput
from autopack.settings import one_of, seconds, whole_number


@pytest.mark.parametrize(
    ("service", "name", "values"),
    [
        ("orchestrator", "AUTOPACK_CONCURRENT_RUNS", ["0", "-1", "many", "1.5", "9" * 30, "\u0663"]),
        ("orchestrator", "AUTOPACK_WINDOW", ["0", "x"]),
        ("orchestrator", "AUTOPACK_PATIENCE_SECONDS", ["soon", "-1", "0", "nan", "inf"]),
        ("orchestrator", "AUTOPACK_LEASE_SECONDS", ["x"]),
        ("builder", "AUTOPACK_CONCURRENT_BUILDS", ["x"]),
        ("builder", "AUTOPACK_SANDBOX_TIER", ["docker", "Landlock"]),
        ("auditor", "AUTOPACK_AUDIT_WORKERS", ["0"]),
        ("gate", "AUTOPACK_CONCURRENT_CHECKS", ["two"]),
        ("gate", "AUTOPACK_CHECKOUTS_BYTES", ["2GB"]),
        ("gate", "AUTOPACK_AUDIT_PATIENCE_SECONDS", ["x"]),
        ("gate", "AUTOPACK_SANDBOX_TIER", ["docker"]),
        ("memory", "AUTOPACK_SOT_RETRIEVAL_TOP_K", ["x"]),
        ("memory", "AUTOPACK_SOT_CHUNK_MAX_CHARS", ["10"]),
    ],
)
def test_a_value_that_cannot_be_used_is_told_with_its_name(
    service: str, name: str, values: list[str]
) -> None:
    config = import_module(f"{service}_svc.config").Config
    for value in values:
        with pytest.raises(InvalidInput) as caught:
            config.from_environ({"AUTOPACK_ADDRESS": "127.0.0.1:0", name: value})
        (reason,) = caught.value.reasons
        assert reason.code == "SETTING_INVALID"
        assert name in reason.message
        assert reason.fix


def test_what_is_not_set_or_empty_has_its_default() -> None:
    for environ in ({}, {"X": ""}, {"X": " "}):
        assert whole_number(environ, "X", 3) == 3
        assert seconds(environ, "X", 1.5) == 1.5
        assert one_of(environ, "X", ("a", "b")) is None


def test_values_that_can_be_used_are() -> None:
    environ = {"N": " 7 ", "S": "0.5", "W": "b"}
    assert whole_number(environ, "N", 3) == 7
    assert seconds(environ, "S", 1.0) == 0.5
    assert one_of(environ, "W", ("a", "b")) == "b"
