"""ruff's security rules over both versions of the changed Python files, in one run of the binary."""

import asyncio
import io
import json
import resource
import subprocess
import tempfile
import threading
import time
import tokenize
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ruff import find_ruff_bin

from auditor_svc.analyzers.scanner import Text
from auditor_svc.domain import severity
from auditor_svc.domain.change import ChangedFile, is_test_path
from auditor_svc.domain.findings import AnalyzerReport, Detection, Unread
from autopack.cancellation import settle
from autopack.errors import Reason, Unavailable

NAME = "ruff"
_OPTIONS = (
    "check",
    "--isolated",
    "--no-cache",
    "--no-respect-gitignore",
    "--ignore-noqa",
    "--exit-zero",
    "--select=S",
    "--target-version=py315",
    "--output-format=json-lines",
    "--config=exclude=[]",
)
_OUTPUT = "findings"
_OUTPUT_BYTES = 32_000_000
"""Of what ruff says about one change: some 80,000 findings."""
_SECONDS = 60.0
_ENVIRONMENT = {"LANG": "C.UTF-8", "NO_COLOR": "1"}
_FEW, _ONE_THREAD = 8, {"RAYON_NUM_THREADS": "1"}
"""Of few files ruff takes 5 ms, and 5 more to start a thread for each core."""
_LIMITS = (
    (resource.RLIMIT_AS, 4 << 30),
    (resource.RLIMIT_CPU, 60),
    (resource.RLIMIT_CORE, 0),
    (resource.RLIMIT_FSIZE, _OUTPUT_BYTES),
)
_WITHOUT_VALUE = {"S108": "Probable insecure usage of temporary file or directory"}
"""ruff's own words for these quote a literal."""


class RuffCrashed(Exception):
    """ruff ended by a signal, or not at all."""


class RuffScanner:
    """Starts the binary once for each audit: it is warm in 10 ms."""

    names = (NAME,)

    def __init__(self, directory: Path, binary: str = "") -> None:
        """`directory`: where copies of the changed files live while ruff reads them."""
        self._directory = directory
        self._binary = binary

    async def versions(self) -> Mapping[str, str]:
        if not self._binary:
            try:
                self._binary = find_ruff_bin()
            except FileNotFoundError as error:
                fix = "reinstall Autopack's dependencies"
                raise Unavailable(Reason("ANALYZER_UNAVAILABLE", "ruff is not installed", fix)) from error
        return {NAME: _version()}

    async def scan(self, files: Sequence[ChangedFile]) -> tuple[AnalyzerReport, ...]:
        start = time.perf_counter()
        try:
            number = (await self.versions())[NAME]
        except Unavailable as error:
            return (AnalyzerReport(NAME, "", 0, 0.0, failures=error.reasons),)
        python = [item for item in files if item.is_python]
        texts = {item.path: _decode(item.new) for item in python}
        unread = tuple(
            Unread(
                item.path, "FILE_NOT_AUDITED", "ruff did not read it: it is not in the encoding that it names"
            )
            for item in python
            if texts[item.path] is None
        )
        readable = [item for item in python if texts[item.path] is not None]
        new, old, failures = await self._detect(readable) if readable else ([], [], [])
        seconds = time.perf_counter() - start
        report = AnalyzerReport(
            NAME, number, len(readable), seconds, tuple(new), tuple(old), unread, tuple(failures)
        )
        return (report,)

    async def close(self) -> None:
        """Nothing outlives an audit."""

    async def _detect(
        self, files: Sequence[ChangedFile]
    ) -> tuple[list[Detection], list[Detection], list[Reason]]:
        try:
            return (*await self._run(files), [])
        except RuffCrashed as error:
            if len(files) == 1:
                message = f"ruff could not read this file ({error}), so the change has not been audited"
                fix = "simplify the file: it may be nested too deeply"
                return [], [], [Reason("ANALYZER_CRASHED", message, fix, files[0].path)]
        new, old, failures = [], [], []
        for item in files:  # one by one, to know which file it is
            results = await self._detect([item])
            new += results[0]
            old += results[1]
            failures += results[2]
        return new, old, failures or [_unexplained()]

    async def _run(self, files: Sequence[ChangedFile]) -> tuple[list[Detection], list[Detection]]:
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        run = _Run(self._binary, self._directory)
        # One thread for all of it: each way there and back costs as much as starting the binary.
        task = asyncio.ensure_future(asyncio.to_thread(run.detect, files))
        if await settle(task, run.stop):
            task.exception()  # that it was stopped is no news
            raise asyncio.CancelledError
        return task.result()


class _Run:
    """One run of the binary, in a thread; another one may stop it."""

    def __init__(self, binary: str, parent: Path) -> None:
        self._binary = binary
        self._parent = parent
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False

    def stop(self) -> None:
        """Ends it at once, also before it has begun."""
        with self._lock:
            self._stopped = True
            if self._process is not None:
                self._process.kill()

    def detect(self, files: Sequence[ChangedFile]) -> tuple[list[Detection], list[Detection]]:
        """What ruff finds in the new and in the old versions. Raises RuffCrashed."""
        with tempfile.TemporaryDirectory(dir=self._parent) as name:
            directory = Path(name)
            texts = _write(directory, files)
            return _parse(self._execute(directory, len(texts) <= _FEW), files, texts)

    def _execute(self, directory: Path, few: bool) -> bytes:
        with self._lock:
            if self._stopped:
                raise RuffCrashed("stopped")
            self._process = process = subprocess.Popen(
                [self._binary, *_OPTIONS, f"--output-file={_OUTPUT}", "."],
                cwd=directory,
                env=_ENVIRONMENT | (_ONE_THREAD if few else {}),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
            for limit, value in _LIMITS:  # it is ours to wait for, so that its id is still its own
                resource.prlimit(process.pid, limit, (value, value))
        with process:
            try:
                _, errors = process.communicate(timeout=_SECONDS)
            except subprocess.TimeoutExpired as error:
                process.kill()
                raise RuffCrashed(f"no answer in {_SECONDS:.0f} s") from error
        # ruff warns of a file that it failed to read and goes on; that would be an approval.
        if process.returncode or errors:
            raise RuffCrashed(f"exit status {process.returncode}")
        return (directory / _OUTPUT).read_bytes()


@cache
def _version() -> str:
    return version("ruff")  # reads and parses a file: 2 ms each time


def _unexplained() -> Reason:
    message = "ruff ended on these files together and on none of them alone, so nothing has been audited"
    return Reason("ANALYZER_CRASHED", message, "try again")


def _decode(contents: bytes) -> str | None:
    """The text of a Python file, by the encoding that it names; None where it is not in it."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(contents).readline)
        return contents.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")
    except (SyntaxError, UnicodeError, LookupError):
        return None


def _write(directory: Path, files: Sequence[ChangedFile]) -> dict[str, str]:
    """Writes the versions under names of our own, which no rule and no exclusion depends on."""
    texts = {}
    for number, item in enumerate(files):
        suffix = ".pyi" if item.path.endswith(".pyi") else ".py"
        for side, contents in (("new", item.new), ("old", item.old)):
            text = None if contents is None else _decode(contents)
            if text is not None:
                name = f"{side}{number}{suffix}"
                texts[name] = text
                (directory / name).write_text(text, encoding="utf-8", newline="")
    return texts


def _parse(
    output: bytes, files: Sequence[ChangedFile], texts: Mapping[str, str]
) -> tuple[list[Detection], list[Detection]]:
    sides: dict[str, list[Detection]] = {"new": [], "old": []}
    lines: dict[str, Text] = {}
    unparsed: set[str] = set()
    for row in output.splitlines():
        item: dict[str, Any] = json.loads(row)
        name = Path(item["filename"]).name
        if item["code"] == severity.INVALID_SYNTAX:
            if name in unparsed:
                continue  # one is enough; the others follow from it
            unparsed.add(name)
        if name not in lines:
            lines[name] = Text(texts[name])
        path = files[int(name[3:].partition(".")[0])].path
        sides[name[:3]].append(_detection(item, path, lines[name]))
    return sides["new"], sides["old"]


def _detection(item: Mapping[str, Any], path: str, text: Text) -> Detection:
    rule = item["code"]
    line = max(item["location"]["row"], 1)
    end_line = max(item["end_location"]["row"], line)
    if rule == severity.INVALID_SYNTAX:
        message, content = f"It does not parse as Python: {item['message'][:200]}", ""
    else:
        message, content = _WITHOUT_VALUE.get(rule, item["message"]), text.evidence(line, end_line)
    return Detection(
        analyzer=NAME,
        rule_id=rule,
        severity=severity.of_ruff(rule, item["message"], is_test_path(path)),
        message=message,
        path=path,
        line=line,
        end_line=end_line,
        evidence=content,
        masked_evidence=text.masked_evidence(line, end_line) if content else "",
        cwe=severity.cwe_of_ruff(rule),
        rule_name=item["name"],
        help_uri=item["url"] or "",
    )
