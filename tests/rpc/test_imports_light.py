"""A command starts fast because it imports only what it needs."""

import subprocess
import sys

import pytest

HEAVY = ["sqlalchemy", "alembic", "opentelemetry.sdk", "opentelemetry.exporter", "protovalidate"]


def imported(program: str) -> set[str]:
    """The heavy packages that a fresh interpreter has after it."""
    program += f"\nimport sys\nprint(*(name for name in {HEAVY!r} if name in sys.modules))"
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(output.stdout.split())


@pytest.mark.parametrize(
    "module",
    ["rpc.channel", "rpc.server", "rpc.lifetime", "rpc.errors", "telemetry.setup", "telemetry.metrics"],
)
def test_a_client_imports_nothing_heavy(module: str) -> None:
    assert imported(f"import autopack.{module}") == set()


def test_the_deadline_needs_no_grpc() -> None:
    program = "import autopack.rpc.deadline, sys; assert 'grpc' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_telemetry_without_a_place_to_go_imports_no_sdk() -> None:
    assert (
        imported("from autopack.telemetry.setup import configure; configure('x', None, {}).close()") == set()
    )


def test_a_local_span_store_needs_no_exporter() -> None:
    program = (
        "import pathlib, tempfile\nfrom autopack.telemetry.setup import configure\n"
        "configure('x', pathlib.Path(tempfile.mkdtemp()) / 'spans.db', {}).close()"
    )
    assert imported(program) == {"opentelemetry.sdk"}
