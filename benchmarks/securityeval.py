"""What the auditor finds in SecurityEval and flags in benign commits: `python -m benchmarks.securityeval`.

AUTOPACK_SECURITYEVAL names a copy of s2e-lab/SecurityEval, AUTOPACK_CWE_CSV the official Research Concepts
view (1000.csv of cwe.mitre.org), AUTOPACK_BENIGN_REPOSITORIES git repositories, separated by colons.
"""

import argparse
import asyncio
import csv
import os
import random
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from auditor_svc.analyzers.in_worker import WorkerScanner
from auditor_svc.analyzers.ruff import RuffScanner
from auditor_svc.analyzers.scanner import Scanner
from auditor_svc.analyzers.worker_process import WorkerPool
from auditor_svc.changes import read_change
from auditor_svc.domain.audit import AuditResult, AuditRules, conclude
from auditor_svc.domain.change import Change, ChangedFile
from auditor_svc.domain.findings import Severity
from autopack.gitstore.store import GitStore

SEED = 20261122
"""Of the half that rules were written with; the other half was not read before they were done."""
COMMITS = 200
GOAL_FOUND, GOAL_FLAGGED = 0.75, 0.05
RULES = AuditRules(Severity.HIGH, two_reviews=False)


@dataclass
class Tally:
    """How many of how many."""

    found: int = 0
    total: int = 0
    anything: int = 0
    missed: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        share = self.found / max(self.total, 1)
        return f"{self.found} of {self.total} ({share:.1%}); anything at all in {self.anything}"


async def audited(scanners: Sequence[Scanner], change: Change) -> AuditResult:
    """What the service would conclude."""
    reports = await asyncio.gather(*(scanner.scan(change.files) for scanner in scanners))
    return conclude(change, [report for group in reports for report in group], RULES)


def neighbours(path: Path) -> dict[int, set[int]]:
    """Parents and children of each weakness, by the official hierarchy."""
    related: dict[int, set[int]] = {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            number = int(row["CWE-ID"])
            for parent in re.findall(
                r"NATURE:ChildOf:CWE ID:(\d+):VIEW ID:1000", row["Related Weaknesses"] or ""
            ):
                related.setdefault(number, set()).add(int(parent))
                related.setdefault(int(parent), set()).add(number)
    return related


async def insecure(
    scanners: Sequence[Scanner], root: Path, related: Mapping[int, set[int]]
) -> dict[str, Tally]:
    """What is found for the right weakness, in the half that rules were written with and in the other."""
    files = sorted(
        (root / "Testcases_Insecure_Code").rglob("*.py"), key=lambda file: file.relative_to(root).as_posix()
    )
    order = list(files)
    random.Random(SEED).shuffle(order)
    developed = set(order[: (len(order) + 1) // 2])
    tallies = {"developed on": Tally(), "held out": Tally()}
    for file in files:
        # An ordinary name: what the directory is called must not help.
        change = Change("", "", (ChangedFile("app.py", file.read_bytes()),))
        result = await audited(scanners, change)
        worse = [item for item in result.findings if item.severity >= Severity.MEDIUM]
        weakness = int(file.parent.name.removeprefix("CWE-"))
        right = {weakness, *related.get(weakness, ())}
        tally = tallies["developed on" if file in developed else "held out"]
        tally.total += 1
        tally.anything += bool(worse)
        if any(int(cwe[4:]) in right for item in worse for cwe in item.cwe):
            tally.found += 1
        else:
            tally.missed.append(f"{file.parent.name}/{file.name}")
    return tallies


def newest(repository: Path, copy: Path, count: int) -> list[tuple[str, str]]:
    """Copies a repository; base and head of its newest changes."""
    subprocess.run(["git", "clone", "-q", "--bare", str(repository), str(copy)], check=True)
    log = ["git", "-C", str(copy), "log", "--no-merges", "--min-parents=1", f"-{count}", "--format=%P %H"]
    listing = subprocess.run(log, check=True, capture_output=True, text=True).stdout
    return [(line.split()[0], line.split()[1]) for line in listing.splitlines()]


async def benign(
    scanners: Sequence[Scanner], repositories: Sequence[Path], commits: int, verbose: bool
) -> None:
    """How many changed files of the newest commits are flagged."""
    flagged: Counter[str] = Counter()
    files = done = 0
    with tempfile.TemporaryDirectory() as name:
        for number, repository in enumerate(repositories):
            copy = Path(name) / f"{number}.git"
            changes = await asyncio.to_thread(newest, repository, copy, -(-commits // len(repositories)))
            store = GitStore.open(copy)
            for base, head in changes[: commits - done]:
                done += 1
                change = read_change(store, base, head)
                result = await audited(scanners, change)
                files += len(change.files)
                worse = [item for item in result.findings if item.severity >= Severity.MEDIUM]
                flagged["all"] += len({item.path for item in worse})
                flagged.update(analyzer for analyzer, _ in {(item.analyzer, item.path) for item in worse})
                for item in worse if verbose else ():
                    place = f"{repository.parent.name} {head[:10]} {item.path}:{item.line}"
                    print(f"  {place} {item.analyzer} {item.rule_id} {item.severity.name}")
    everything = flagged.pop("all", 0)
    share = f"{everything / max(files, 1):.1%}, goal at most {GOAL_FLAGGED:.0%}"
    print(f"benign: {done} commits of {len(repositories)} projects, {files} changed files")
    print(f"  flagged: {everything} ({share}); by analyzer: {dict(flagged)}")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--verbose", action="store_true", help="each miss of the first half, each flag")
    parser.add_argument("--half", choices=["developed", "both"], default="both", help="which half to report")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scanners: list[Scanner] = [WorkerScanner(WorkerPool(2)), RuffScanner(Path(name))]
        try:
            if directory := os.environ.get("AUTOPACK_SECURITYEVAL"):
                related = neighbours(Path(os.environ["AUTOPACK_CWE_CSV"]))
                tallies = await insecure(scanners, Path(directory), related)
                for half, tally in tallies.items():
                    if half == "developed on" or options.half == "both":
                        print(f"{half}: {tally} (goal {GOAL_FOUND:.0%})")
                        if options.verbose:
                            print("  missed:", ", ".join(tally.missed))
            if repositories := os.environ.get("AUTOPACK_BENIGN_REPOSITORIES"):
                await benign(
                    scanners, [Path(each) for each in repositories.split(":")], COMMITS, options.verbose
                )
        finally:
            for scanner in scanners:
                await scanner.close()


if __name__ == "__main__":
    asyncio.run(main())
