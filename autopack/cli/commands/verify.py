"""`autopack verify`: why each commit was accepted, from the repository and a public key alone.

A child does the reading, so that a repository made to hang or to fill memory ends with it.
"""

import json
import os
import resource
import select
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from autopack.cli import outcome
from autopack.errors import AutopackError, InvalidInput, Reason
from autopack.signing.keys import PublicKey, read_public_keys

STARTING_SECONDS = 60.0
COMMIT_SECONDS = 60.0
"""Within which each next line must come."""
SLACK_SECONDS = 300.0
USUAL_SECONDS = 0.1
"""For all lines: the slack and this for each; an honest commit takes some 5 ms."""
MEMORY_BYTES = 4 << 30

Said = dict[str, Any]


def verify(target: str, directory: Path, keys: list[Path], as_json: bool) -> int:
    """One line for each commit; 0 where all claims hold, else 1."""
    if not keys:
        fix = "give --key FILE: the gate's public key, from somebody you trust and not from the repository"
        raise InvalidInput(Reason("KEY_MISSING", "nothing can be verified without a public key", fix))
    trusted = read_public_keys(keys)
    said = []
    for line in _from_child(lambda: claims(target, directory, trusted)):
        if "error" in line:
            raise InvalidInput(*(Reason(**reason) for reason in line["error"]))
        said.append(line)
        if not as_json:
            _print(line)
    holds = all(line["holds"] for line in said)
    if as_json:
        outcome.print_json("verification", {"holds": holds, "commits": said})
    elif not said:
        print("nothing to verify: the range has no commit")
    elif holds:
        print(f"holds: {len(said)} of {len(said)}")
    else:
        print(f"does not hold: {sum(not line['holds'] for line in said)} of {len(said)}")
    return outcome.DONE if holds else outcome.REFUSED


def _print(line: Said) -> None:
    from autopack.cli.terminal import neutralise

    mark = "ok  " if line["holds"] else "FAIL"
    what = neutralise(line["subject"], True)[:72]
    if line["holds"]:
        approved = f"; approved by {', '.join(line['approvals'])}" if line.get("approvals") else ""
        why = f"{line['run']}/{line['phase']}{approved}" if line.get("phase") else line.get("detail", "")
    else:
        why = f"{line['reason']['code']}: {line['reason']['message']}"
    print(f"{mark} {line['commit'][:12]:12} {what} [{neutralise(why, True)}]", flush=True)


def claims(target: str, directory: Path, keys: Mapping[str, PublicKey]) -> Iterator[Said]:
    """What is said of each commit, then of the run where one is named. Raises AutopackError."""
    from autopack.attestation.repository import open_clone, resolve
    from autopack.attestation.runs import claims_of_run
    from autopack.attestation.trust import trust
    from autopack.attestation.verification import Verifier

    clone = open_clone(directory)
    trusted = trust(clone.store, keys)
    verifier = Verifier(clone.store, trusted)
    asked = resolve(clone, verifier, target)
    end: Said = {"commit": asked.head, "subject": f"end of run {asked.run_id}", "run": asked.run_id}
    if asked.fault is not None:
        yield end | {"holds": False, "reason": outcome.reason_json(asked.fault)}
        return
    commits = []
    for line in verifier.lines(asked.base, asked.head):
        commits.append(line.accepted)
        document: Said = {"commit": line.commit, "subject": line.subject, "holds": line.reason is None}
        if line.accepted is not None:
            document |= {
                "run": line.accepted.run_id,
                "phase": line.accepted.phase_id,
                "decision": line.accepted.decision_digest,
                "approvals": list(line.accepted.approvals),
                "key": line.accepted.key_id,
            }
        if line.reason is not None:
            document["reason"] = outcome.reason_json(line.reason)
        yield document
    if asked.run_id:
        try:
            yield end | {
                "holds": True,
                "detail": claims_of_run(verifier, asked.run_id, asked.head, commits),
            }
        except AutopackError as error:
            yield end | {"holds": False, "reason": outcome.reason_json(error.reasons[0])}


def _from_child(work: Callable[[], Iterator[Said]]) -> Iterator[Said]:
    """What the work yields, in a process of its own with bounded memory and time."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reading)
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
            with os.fdopen(writing, "w") as output:
                _say(output, work)
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    done = False
    try:
        with os.fdopen(reading, "rb") as lines:
            limit = STARTING_SECONDS
            end = time.monotonic() + SLACK_SECONDS
            pending = b""
            while True:
                end += USUAL_SECONDS
                deadline = min(time.monotonic() + limit, end)
                while b"\n" not in pending:
                    if not select.select([lines], [], [], max(0.0, deadline - time.monotonic()))[0]:
                        raise InvalidInput(_too_much("it takes too long"))
                    chunk = os.read(lines.fileno(), 65536)
                    if not chunk:
                        break
                    pending += chunk
                line, newline, pending = pending.partition(b"\n")
                if not newline:
                    break
                limit = COMMIT_SECONDS
                document: Said = json.loads(line)
                if "done" in document:
                    done = True
                    break
                yield document
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    if not done:
        raise InvalidInput(_too_much("the process that read it has died"))


def _say(output: IO[str], work: Callable[[], Iterator[Said]]) -> None:
    try:
        for document in work():
            output.write(json.dumps(document) + "\n")
            output.flush()
        output.write('{"done": true}\n')
    except AutopackError as error:
        reasons = [outcome.reason_json(reason) for reason in error.reasons]
        output.write(json.dumps({"error": reasons}) + "\n")
    except MemoryError:
        output.write(json.dumps({"error": [outcome.reason_json(_too_much("no memory is left"))]}) + "\n")
    output.flush()


def _too_much(what: str) -> Reason:
    fix = "it may be made to exhaust whoever reads it: look at it with care"
    return Reason("REPOSITORY_UNREADABLE", f"the repository cannot be verified: {what}", fix)
