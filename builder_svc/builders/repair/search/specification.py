"""What the search is asked and what it answers, as JSON files."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Check:
    """A command that decides; a target's failures are to be mended, others must not get worse."""

    run: str
    reports: str
    timeout: float
    target: bool


@dataclass(frozen=True, slots=True)
class Specification:
    """One search."""

    checks: tuple[Check, ...]
    files: tuple[str, ...]
    """That may be changed, relative to the work tree."""
    seconds: float
    """Of wall time for all of it."""
    seed: int
    workers: int
    skip: int = 0
    """Plausible behaviours passed over, best first: those of earlier attempts that were refused."""

    @classmethod
    def load(cls, path: Path) -> "Specification":
        data = json.loads(path.read_text())
        checks = tuple(Check(**check) for check in data.pop("checks"))
        return cls(checks=checks, files=tuple(data.pop("files")), **data)

    def dump(self) -> str:
        return json.dumps(asdict(self))


@dataclass(slots=True)
class Findings:
    """How a search ended, and what it did until then."""

    code: str = ""
    """Empty with a change; else a stable code why there is none."""
    message: str = ""
    sources: dict[str, str] = field(default_factory=dict)
    """The changed files, whole."""
    template: str = ""
    """Which templates made the change."""
    failing: list[str] = field(default_factory=list)
    proposed: int = 0
    judged: int = 0
    plausible: int = 0
    behaviours: int = 0
    """Groups of plausible changes that did the same with generated inputs."""
    considered: list[str] = field(default_factory=list)
    """The plausible changes, best first, with what spoke for and against each."""
    seconds: float = 0.0
    exhausted: bool = False
    """Whether every proposal was judged."""

    def dump(self) -> str:
        return json.dumps(asdict(self))
