"""Real commits through the gate: `python -m benchmarks.gate_history CLONE [--commits N] [--run COMMAND]`.

CLONE is a clone of any project with pytest. Each of its last commits that touch Python is judged as a
change of its parent, by one check. Prints one JSON document: verdicts, reasons, and each commit that was
not accepted.
"""

import argparse
import asyncio
import io
import json
import subprocess
import tarfile
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from autopack.cli.documents import decision
from autopack.testing.repositories import Files
from tests.gate_svc.gate_bench import PYTEST, Bench, codes, open_bench, policy

SECONDS = 300


def git(clone: Path, *arguments: str) -> bytes:
    return subprocess.run(["git", "-C", str(clone), *arguments], check=True, capture_output=True).stdout


def commits(clone: Path, count: int, skip: int) -> list[str]:
    """The last ones with one parent that touch Python, newest first."""
    listed = git(
        clone, "log", "--no-merges", "--format=%H", f"-{count}", f"--skip={skip}", "--", "*.py"
    ).decode()
    return listed.split()


def tree(clone: Path, commit: str, run: str) -> Files:
    """The files of a commit, with a policy of ours."""
    files: dict[str, bytes | tuple[int, bytes]] = {}
    with tarfile.open(fileobj=io.BytesIO(git(clone, "archive", commit))) as archive:
        for member in archive:
            if member.issym():
                files[member.name] = (0o120000, member.linkname.encode())
            elif member.isfile() and (data := archive.extractfile(member)) is not None:
                files[member.name] = (0o100755 if member.mode & 0o100 else 0o100644, data.read())
    return {**files, "autopack.yaml": policy(run, timeout=SECONDS)}


async def judged(bench: Bench, clone: Path, commit: str, run: str) -> tuple[str, list[tuple[str, str]], Any]:
    """Decision, reasons, and the counts of tests."""
    base, head = (tree(clone, each, run) for each in (f"{commit}^", commit))
    verdict = await bench.judge(base, head)
    said = [(reason.code, reason.message[:300]) for reason in verdict.reasons]
    tests = verdict.checks[0].tests if verdict.checks else None
    counts = tests and {
        "blind": tests.blind,
        "compared": tests.compared,
        "self_reported": tests.self_reported,
    }
    assert codes(verdict) == [code for code, _ in said]
    return decision(verdict), said, counts


async def measure(clone: Path, chosen: list[str], run: str) -> dict[str, Any]:
    verdicts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    others, counts = {}, None
    with tempfile.TemporaryDirectory() as name:
        async with open_bench(Path(name)) as bench:
            for commit in chosen:
                said, found, seen = await judged(bench, clone, commit, run)
                verdicts[said] += 1
                reasons.update({code for code, _ in found})
                counts = seen or counts
                subject = git(clone, "log", "-1", "--format=%h %s", commit).decode().strip()
                print(said, subject, sorted({code for code, _ in found}), flush=True)
                if said != "ACCEPT":
                    others[subject] = [said, *found]
    return {"verdicts": verdicts, "reasons": reasons, "tests_seen": counts, "not_accepted": others}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clone", type=Path)
    parser.add_argument("--commits", type=int, default=20)
    parser.add_argument("--skip", type=int, default=0)
    parser.add_argument("--run", default=PYTEST)
    options = parser.parse_args()
    chosen = commits(options.clone, options.commits, options.skip)
    print(json.dumps(asyncio.run(measure(options.clone, chosen, options.run)), indent=2))


if __name__ == "__main__":
    main()
