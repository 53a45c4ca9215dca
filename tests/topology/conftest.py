"""The production topology on loopback: a process per service, mutual TLS, Postgres, a git remote, OTLP."""

import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from autopack.rpc.tls import TlsSettings
from autopack.testing.certificates import Authority
from autopack.testing.postgres import create_database

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "examples" / "demo"
START_SECONDS = 120.0
STOP_SECONDS = 60.0
RECEIVE_SECONDS = 60.0


class Running:
    """A process of ours whose standard error is read, so that a line in it can be waited for."""

    def __init__(self, command: list[str], environ: Mapping[str, str], directory: Path, ready: str) -> None:
        self.lines: list[str] = []
        self._ready = ready
        self._seen = threading.Event()
        self._line = ""
        self.process = subprocess.Popen(
            command,
            env=dict(environ),
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)
            if self._ready in line and not self._seen.is_set():
                self._line = line
                self._seen.set()
        self._seen.set()

    def ready(self) -> str:
        """The line that says that it serves."""
        assert self._seen.wait(START_SECONDS), f"{self.process.args!r} is not ready: {''.join(self.lines)}"
        assert self._line, f"{self.process.args!r} ended: {''.join(self.lines)}"
        return self._line

    def stop(self) -> int:
        """SIGTERM, and how it ended."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            self.close()

    def close(self) -> None:
        """Leaves no process behind."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()


@dataclass(frozen=True)
class Span:
    """One span as it came over OTLP."""

    service: str
    name: str
    kind: int
    trace_id: str
    span_id: str
    parent_id: str
    attributes: Mapping[str, str]


class Received(trace_service_pb2_grpc.TraceServiceServicer, metrics_service_pb2_grpc.MetricsServiceServicer):
    """What the collector delivered."""

    def __init__(self) -> None:
        self.spans: dict[str, Span] = {}
        self.metrics: set[str] = set()
        self._changed = threading.Condition()

    def Export(self, request: Any, context: Any) -> Any:
        with self._changed:
            if isinstance(request, trace_service_pb2.ExportTraceServiceRequest):
                for part in request.resource_spans:
                    self._take_spans(part)
                answer: Any = trace_service_pb2.ExportTraceServiceResponse()
            else:
                for part in request.resource_metrics:
                    self.metrics |= {metric.name for scope in part.scope_metrics for metric in scope.metrics}
                answer = metrics_service_pb2.ExportMetricsServiceResponse()
            self._changed.notify_all()
        return answer

    def _take_spans(self, part: Any) -> None:
        resource = {item.key: item.value.string_value for item in part.resource.attributes}
        for span in (span for scope in part.scope_spans for span in scope.spans):
            attributes = {item.key: item.value.string_value for item in span.attributes}
            self.spans[span.span_id.hex()] = Span(
                resource["service.name"],
                span.name,
                span.kind,
                span.trace_id.hex(),
                span.span_id.hex(),
                span.parent_span_id.hex(),
                attributes,
            )

    def wait_until(self, holds: Callable[["Received"], bool]) -> None:
        """Returns when what was received is as expected."""
        with self._changed:
            assert self._changed.wait_for(lambda: holds(self), RECEIVE_SECONDS)


@contextmanager
def otlp_receiver(directory: Path) -> Iterator[tuple[str, Received]]:
    """Rotel, a real OTLP receiver, which delivers what it got to us; its endpoint."""
    spec = importlib.util.find_spec("rotel")
    assert spec is not None, "rotel is not installed: pip install 'autopack[test]'"
    assert spec.origin is not None
    received = Received()
    server = grpc.server(futures.ThreadPoolExecutor(4))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(received, server)  # type: ignore[no-untyped-call]
    metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(received, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    address = f"127.0.0.1:{_free_port()}"
    command = [
        str(Path(spec.origin).with_name("rotel-agent")),
        "start",
        f"--otlp-grpc-endpoint={address}",
        f"--otlp-http-endpoint=127.0.0.1:{_free_port()}",
        "--exporter=otlp",
        f"--otlp-exporter-endpoint=http://127.0.0.1:{port}",
        "--otlp-exporter-protocol=grpc",
        f"--pid-file={directory}/rotel.pid",
        f"--log-file={directory}/rotel.log",
    ]
    rotel = Running(command, {}, directory, "no line of it is waited for")
    try:
        with grpc.insecure_channel(address) as channel:
            grpc.channel_ready_future(channel).result(START_SECONDS)
        yield f"http://{address}", received
    finally:
        rotel.close()
        server.stop(None).wait()


@contextmanager
def git_remote(directory: Path) -> Iterator[tuple[str, Path]]:
    """The demo's project, served over the network; its URL, and where it is for looking into it."""
    work, bare = directory / "work", directory / "served" / "shop.git"
    shutil.copytree(DEMO / "project", work)
    git(work, "init", "-q", "-b", "main")
    git(work, "add", "-A")
    git(work, "-c", "user.name=Demo", "-c", "user.email=demo@localhost", "commit", "-q", "-m", "As found")
    git(directory, "clone", "-q", "--bare", str(work), str(bare))
    port = _free_port()
    # Not `git daemon`, which starts it as a child that would be left behind.
    program = str(Path(git(directory, "--exec-path")) / "git-daemon")
    command = [program, "--verbose", "--export-all", "--enable=receive-pack", "--reuseaddr"]
    place = ["--listen=127.0.0.1", f"--port={port}", f"--base-path={bare.parent}", str(bare.parent)]
    # git refuses repositories of other users, and a checkout in a container may be one.
    trust = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
    daemon = Running([*command, *place], {"PATH": os.environ["PATH"], **trust}, directory, "Ready to rumble")
    try:
        daemon.ready()
        yield f"git://127.0.0.1:{port}/shop.git", bare
    finally:
        daemon.close()


def git(directory: Path, *arguments: str) -> str:
    """What git answers."""
    command = ["git", "-C", str(directory), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _free_port() -> int:
    """One that nobody listens on at present."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Topology:
    """What runs, and the command to use it by."""

    tls: TlsSettings
    home: Path
    url: str = ""
    """Of the git remote."""
    remote: Path = Path()
    """Where the remote keeps its repository."""
    received: Received = field(default_factory=Received)
    services: dict[str, Running] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)

    @property
    def environ(self) -> dict[str, str]:
        """What client and services have in common: where programs are, and who signs for whom."""
        return {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "AUTOPACK_TLS_CERTIFICATE": str(self.tls.certificate),
            "AUTOPACK_TLS_KEY": str(self.tls.key),
            "AUTOPACK_TLS_CA": str(self.tls.ca),
        }

    def start(self, service: str, directory: Path, settings: Mapping[str, str]) -> None:
        """Starts one service in a directory of its own; returns when it serves."""
        directory.mkdir()
        settings = {
            "AUTOPACK_DIRECTORY": str(directory / "state"),
            "AUTOPACK_ADDRESS": "127.0.0.1:0",
            **settings,
        }
        command = [sys.executable, "-P", "-m", f"{service}_svc"]
        running = Running(command, self.environ | settings, directory, "serving on")
        self.services[service] = running
        message = json.loads(running.ready())["message"]
        self.addresses[service] = message.removeprefix("serving on ")

    def close(self) -> None:
        """Leaves no service behind."""
        for running in self.services.values():
            running.close()

    def autopack(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs the command against the orchestrator."""
        command = [sys.executable, "-P", "-m", "autopack.cli", *arguments]
        server = ["--server", self.addresses["orchestrator"]]
        return subprocess.run(
            [*command, *server], env=self.environ, cwd=self.home, capture_output=True, text=True, check=False
        )


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Finds ports."""
    return _free_port


@pytest.fixture
def start_topology() -> Callable[[TlsSettings, Path], Topology]:
    """Makes one in which nothing runs yet."""
    return Topology


@pytest.fixture(scope="module")
def topology(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[Topology]:
    """All of it, started."""
    directory = tmp_path_factory.mktemp("topology")
    home = directory / "home"
    home.mkdir()
    with ExitStack() as stack:
        endpoint, received = stack.enter_context(otlp_receiver(directory))
        url, remote = stack.enter_context(git_remote(directory))
        tls = Authority(directory, "authority").issue("everybody")
        running = Topology(tls, home, url, remote, received)
        stack.callback(running.close)

        def start(service: str, **settings: str) -> None:
            shared = {
                "AUTOPACK_DATABASE_URL": create_database(postgres_url),
                "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            }
            running.start(service, directory / service, shared | settings)

        for service in ("builder", "auditor", "memory"):
            start(service)
        start("gate", AUTOPACK_AUDITOR_ADDRESS=running.addresses["auditor"])
        others = {f"AUTOPACK_{name.upper()}_ADDRESS": address for name, address in running.addresses.items()}
        start("orchestrator", AUTOPACK_EXECUTOR_ID="orchestrator-0", **others)
        yield running
