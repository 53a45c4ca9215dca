"""bandit, our own rules, the secret scanner and the text rules, which run in the warm worker process."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from auditor_svc.analyzers.scanner import Text
from auditor_svc.analyzers.worker_process import Worker, WorkerDied, WorkerPool
from auditor_svc.domain import severity
from auditor_svc.domain.change import ChangedFile, decode
from auditor_svc.domain.findings import AnalyzerReport, Detection, Severity, Unread
from autopack.errors import Reason, Unavailable

NAMES = ("bandit", "flow", "secrets", "text")
_PYTHON = ("bandit", "flow")
_SEVERITY: dict[str, Callable[..., Severity]] = {
    "bandit": lambda rule, *words: severity.of_bandit(*words),
    "flow": lambda rule, word: Severity.named(word),
    "secrets": severity.of_secret,
    "text": severity.of_text,
}
MAXIMUM_DETECTIONS = 100_000
"""Of one change; what is left of it then is not audited."""
_BANDIT_HELP = "https://bandit.readthedocs.io/en/latest/search.html?q="


class WorkerScanner:
    """Asks the workers about each file; files are spread over them."""

    names = NAMES

    def __init__(self, pool: WorkerPool) -> None:
        self._pool = pool

    async def versions(self) -> Mapping[str, str]:
        async with self._pool.take() as worker:
            return await worker.start()

    async def scan(self, files: Sequence[ChangedFile]) -> tuple[AnalyzerReport, ...]:
        failures: tuple[Reason, ...] = ()
        room = _Room(MAXIMUM_DETECTIONS)
        try:
            versions = await self.versions()
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._scan_file(item, room)) for item in files]
        except* Unavailable as errors:
            failures = _first_reasons(errors)
        if failures:
            return tuple(AnalyzerReport(name, "", 0, 0.0, failures=failures) for name in NAMES)
        answers = [task.result() for task in tasks]
        return tuple(
            _report(name, versions[name], files, [answer.get(name) for answer in answers]) for name in NAMES
        )

    async def close(self) -> None:
        await self._pool.close()

    async def _scan_file(self, item: ChangedFile, room: "_Room") -> dict[str, dict[str, Any]]:
        """What each analyzer answered. One that kills the worker twice, the second time alone,
        has an error for an answer.
        """
        names = [name for name in NAMES if _reads(name, item)]
        if not names:
            return {}
        async with self._pool.take() as worker:
            if room.left <= 0:
                too_many = f"the change has more than {MAXIMUM_DETECTIONS} findings"
                return {name: {"unread": too_many, "seconds": 0.0} for name in names}
            try:
                answers = await _ask(worker, item, names)
            except WorkerDied:
                answers = {name: await self._ask_again(worker, item, name) for name in names}
        room.left -= sum(len(answer.get(side, ())) for answer in answers.values() for side in ("new", "old"))
        return answers

    @staticmethod
    async def _ask_again(worker: Worker, item: ChangedFile, name: str) -> dict[str, Any]:
        try:
            return (await _ask(worker, item, [name]))[name]
        except WorkerDied:
            return {"error": "crash", "seconds": 0.0}


@dataclass(slots=True)
class _Room:
    """How many more detections of one change fit into memory."""

    left: int


def _first_reasons(errors: BaseExceptionGroup[Unavailable]) -> tuple[Reason, ...]:
    first = errors.exceptions[0]
    return _first_reasons(first) if isinstance(first, BaseExceptionGroup) else first.reasons


def _reads(name: str, item: ChangedFile) -> bool:
    return item.is_python if name in _PYTHON else not item.is_binary


async def _ask(worker: Worker, item: ChangedFile, names: list[str]) -> dict[str, dict[str, Any]]:
    # detect-secrets looks at a file's name only for its kind; a name that is no text would not do.
    path = item.path.encode("utf-8", "backslashreplace").decode()
    bodies = [item.new] if item.old is None else [item.new, item.old]
    return await worker.ask({"path": path, "analyzers": names}, bodies)


def _report(
    name: str, version: str, files: Sequence[ChangedFile], answers: Sequence[dict[str, Any] | None]
) -> AnalyzerReport:
    new: list[Detection] = []
    old: list[Detection] = []
    failures: list[Reason] = []
    unread: list[Unread] = []
    for item, answer in zip(files, answers, strict=True):
        if answer is None:
            continue
        if "error" in answer:
            failures.append(_failure(name, item.path, answer["error"]))
        elif "unread" in answer:
            unread.append(
                Unread(item.path, "FILE_NOT_AUDITED", f"{name} did not read it: {answer['unread']}")
            )
        else:
            new += _detections(name, item.path, item.new, answer["new"])
            old += _detections(name, item.path, item.old or b"", answer["old"])
    binary = [item.path for item in files if item.is_binary] if name == "secrets" else []
    return AnalyzerReport(
        name=name,
        version=version,
        files=sum(answer is not None for answer in answers),
        seconds=sum(answer["seconds"] for answer in answers if answer is not None),
        new=tuple(new),
        old=tuple(old),
        unread=tuple(unread),
        failures=tuple(failures),
        notes=tuple(f"{path} is binary and was not scanned for secrets" for path in binary),
    )


def _failure(name: str, path: str, error: str) -> Reason:
    if error == "crash":
        return Reason(
            "ANALYZER_CRASHED",
            f"{name} died of this file twice, so the change has not been audited",
            "simplify the file, or leave it out of the change",
            path,
        )
    return Reason(
        "ANALYZER_FAILED",
        f"{name} could not read this file ({error}), so the change has not been audited",
        "simplify the file if it is nested deeply, else report this as a fault of Autopack",
        path,
    )


def _detections(name: str, path: str, contents: bytes, found: Sequence[Mapping[str, Any]]) -> list[Detection]:
    if not found:
        return []
    text = Text(decode(contents))
    for item in found:
        text.mask(item["line"], item.get("spans", ()))
    return [_detection(name, path, text, item) for item in found]


def _detection(name: str, path: str, text: Text, item: Mapping[str, Any]) -> Detection:
    line = item["line"]
    end_line = item.get("end_line", line)
    rule = item["rule"]
    secret_block = name == "secrets" and "spans" not in item
    return Detection(
        analyzer=name,
        rule_id=rule,
        severity=_SEVERITY[name](rule, *item["severity"]),
        message=item["message"],
        path=path,
        line=line,
        end_line=end_line,
        evidence=text.evidence(line, end_line),
        masked_evidence="" if secret_block else text.masked_evidence(line, end_line),
        cwe=tuple(item["cwe"]),
        rule_name=item["name"],
        help_uri=_BANDIT_HELP + rule if name == "bandit" else "",
    )
