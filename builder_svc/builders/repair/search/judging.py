"""Asks the checks about candidates: warm, in children forked from a collected pytest, or cold, run whole."""

import json
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .source import Proposal
from .specification import Check

INJECTED = Path(__file__).parent / "injected"
CALLS_CPU = 10.0
MAXIMUM_HELLO_SECONDS = 60.0
LEAST_SECONDS = 0.5
"""For a request that is made as the time ends."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Changed files, by path, whole."""

    sources: Mapping[str, str]
    module_level: bool
    """Whether anything outside of functions changed."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of the tests that were asked for, in order, as far as they were run."""

    outcomes: Mapping[str, str]
    cpu: Mapping[str, float] = field(default_factory=dict)
    """Seconds that each of them took."""
    problem: str = ""
    """`invalid` for what is no Python, `cold` for what a warm process cannot take over."""


@dataclass(slots=True)
class Judged:
    """A proposal and what the sample of failing tests said of it."""

    proposal: Proposal
    candidate: Candidate
    passed: int = 0
    out_of_time: bool = False
    unfinished: bool = False
    """Whether it passes all tests but for those that take long, of which it did not see the end."""
    plausible: bool = False


@dataclass(slots=True)
class Observation:
    """What one test did with the files in scope."""

    outcome: str = "failed"
    cpu: float = 0.0
    lines: dict[str, set[int]] = field(default_factory=dict)
    types: dict[str, dict[str, set[str]]] = field(default_factory=dict)
    calls: dict[str, list[str]] = field(default_factory=dict)


Left = Callable[[], float]
"""Seconds that the whole search has left."""


class WarmJudge:
    """One check's pytest, stopped after collection; serves one request at a time."""

    def __init__(self, check: Check, root: Path, files: Sequence[str], left: Left) -> None:
        self._check = check
        self._left = left
        self._root = root
        self._files = list(files)
        self._lock = threading.Lock()
        asking, requests = os.pipe()
        answers, answering = os.pipe()
        self._writer, self._reader = os.fdopen(requests, "wb"), os.fdopen(answers, "rb")
        environment = _environment()
        environment["AUTOPACK_REPAIR_PIPES"] = f"{asking},{answering}"
        self._process = subprocess.Popen(
            ["/bin/sh", "-ec", check.run],
            cwd=root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(asking, answering),
            start_new_session=True,
        )
        os.close(asking)
        os.close(answering)
        # The project's pytest may never come to collect: then the pipe closes or the time is up.
        timer = threading.Timer(max(LEAST_SECONDS, min(MAXIMUM_HELLO_SECONDS, left())), self._kill)
        timer.start()
        try:
            hello = self._reader.readline()
        finally:
            timer.cancel()
        self.tests: tuple[str, ...] = tuple(json.loads(hello)["tests"]) if hello else ()

    def observe(self, test: str, cpu: float) -> Observation:
        """Runs one test on the code as it is, with a tracer."""
        found = Observation()
        for document in self._ask({"op": "observe", "tests": {test: cpu}}):
            if "outcome" in document:
                found.outcome, found.cpu = document["outcome"], document["cpu"]
            elif "lines" in document:
                found.lines = {path: set(lines) for path, lines in document["lines"].items()}
                found.types = {
                    place: {name: set(kinds) for name, kinds in names.items()}
                    for place, names in document["types"].items()
                }
                found.calls = document["calls"]
        return found

    def judge(self, candidate: Candidate, tests: Mapping[str, float], always: int = 0) -> Judgement:
        """Runs tests on a candidate, each within its seconds of CPU; stops at the first failure after
        `always` tests, and at the first that is out of time."""
        documents = self._ask(
            {"op": "judge", "tests": dict(tests), "always": always, **self._change(candidate)}
        )
        problem = next((document["problem"] for document in documents if "problem" in document), "")
        ended = [document for document in documents if "test" in document]
        return Judgement(
            {d["test"]: d["outcome"] for d in ended}, {d["test"]: d["cpu"] for d in ended}, problem
        )

    def screen(self, candidates: Sequence[Candidate], tests: Mapping[str, float]) -> list[Judgement]:
        """A quick look at many candidates, in children that they share; none changes a module's own level."""
        found: list[Judgement] = []
        names = list(tests)
        while len(found) < len(candidates) and self._left() > 0:
            sources = [self._change(each)["sources"] for each in candidates[len(found) :]]
            said = self._ask({"op": "screen", "tests": dict(tests), "candidates": sources})
            for document in said:
                outcomes = dict(zip(names, document["outcomes"], strict=False))
                found.append(Judgement(outcomes, {}, document["problem"]))
            if len(said) < len(sources) and not (said and "hangs" in said[-1]["outcomes"]):
                found.append(Judgement({names[0]: "hangs"}))
        return found + [Judgement({names[0]: "hangs"})] * (len(candidates) - len(found))

    def call(self, candidate: Candidate, file: str, function: str, calls: Sequence[str]) -> list[str]:
        """Digests of what a candidate's function does with each set of pickled arguments."""
        request = {"op": "call", "file": str(self._root / file), "function": function, "calls": list(calls)}
        said = self._ask({**request, "tests": {"": CALLS_CPU}, **self._change(candidate)})
        return [text for text in said if isinstance(text, str)]

    def _change(self, candidate: Candidate) -> dict[str, Any]:
        sources = {str(self._root / path): text for path, text in candidate.sources.items()}
        return {"sources": sources, "module": candidate.module_level}

    def _ask(self, request: dict[str, Any]) -> list[Any]:
        request["files"] = [str(self._root / path) for path in self._files]
        request["left"] = max(LEAST_SECONDS, self._left())
        with self._lock:
            try:
                self._writer.write(json.dumps(request).encode() + b"\n")
                self._writer.flush()
                answer = self._reader.readline()
            except BrokenPipeError:
                answer = b""
        return json.loads(answer) if answer else []

    def _kill(self) -> None:
        _kill_group(self._process)

    def close(self) -> None:
        """Ends the process."""
        self._kill()
        self._reader.close()
        with suppress(BrokenPipeError):
            self._writer.close()
        self._process.wait()


@dataclass(frozen=True, slots=True)
class ColdResult:
    """How a whole command ended."""

    passed: bool
    outcomes: Mapping[str, str]
    """By test, where the check reports by pytest."""


class ColdJudge:
    """Runs whole commands in the work tree, with the candidate written there meanwhile."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def run(self, check: Check, candidate: Candidate, seconds: float) -> ColdResult:
        """The check on the candidate."""
        with self._written(candidate), tempfile.TemporaryDirectory() as directory:
            report = Path(directory) / "report"
            environment = {**_environment(), "AUTOPACK_REPAIR_REPORT": str(report)}
            process = subprocess.Popen(
                ["/bin/sh", "-ec", check.run],
                cwd=self._root,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            try:
                status = process.wait(timeout=max(0.1, min(seconds, check.timeout)))
            except subprocess.TimeoutExpired:
                status = -1
            finally:
                _kill_group(process)
                process.wait()
            lines = report.read_text().splitlines() if report.exists() else []
            return ColdResult(status == 0, dict(json.loads(line) for line in lines))

    @contextmanager
    def _written(self, candidate: Candidate) -> Iterator[None]:
        before = {path: (self._root / path).read_bytes() for path in candidate.sources}
        try:
            for path, text in candidate.sources.items():
                (self._root / path).write_bytes(text.encode())
            yield
        finally:
            for path, contents in before.items():
                (self._root / path).write_bytes(contents)


def _kill_group(process: "subprocess.Popen[bytes]") -> None:
    """A sandbox may refuse signals to a group; then the rest of it ends with the sandbox."""
    if process.poll() is None:
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()


def _environment() -> dict[str, str]:
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(INJECTED), environment.get("PYTHONPATH", "")])
    )
    environment["PYTEST_ADDOPTS"] = (
        f"{environment.get('PYTEST_ADDOPTS', '')} -p autopack_repair_judge".strip()
    )
    return environment
