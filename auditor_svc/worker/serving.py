"""The worker's loop: reads a file's two versions from standard input, writes what was found."""

import os
import resource
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, BinaryIO

from auditor_svc.domain.change import decode
from auditor_svc.flow import scan as flow_scan
from auditor_svc.flow.analysis import TooComplex
from auditor_svc.worker import bandit_scan, secret_scan, text_scan
from auditor_svc.worker.frames import LENGTHS, MAXIMUM_HEADER_BYTES, pack, unpack

MEMORY_BYTES = 1 << 30
"""Address space: room for the syntax tree of the largest file that is read."""
STACK_BYTES = 256 << 20
RECURSION_LIMIT = 20_000
"""Deep enough for any program that people write; within it the stack above suffices."""
CPU_SECONDS = 30
"""Of one request."""
LARGEST_RESIDENT_BYTES = 60 << 20
"""A worker that keeps more says that it ends: the memory goes back to the machine."""
MAXIMUM_DETECTIONS = 10_000
"""Of one analyzer in one file; nobody reads more, and an answer has to fit into memory."""
_PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
VERSIONS = {
    "bandit": version("bandit"),
    "flow": flow_scan.VERSION,
    "secrets": f"detect-secrets {version('detect-secrets')}",
    "text": text_scan.VERSION,
}


def bandit(path: str, new: bytes, old: bytes | None) -> dict[str, Any]:
    """The base is read only when there is something to compare with it."""
    try:
        found = bandit_scan.scan(new)
    except (SyntaxError, ValueError) as error:
        # The message of a syntax error quotes the file, its class does not.
        return {"unread": f"Python {_PYTHON} cannot parse it: {type(error).__name__}"}
    before: list[dict[str, Any]] = []
    if found and old is not None:
        try:
            before = bandit_scan.scan(old)
        except (SyntaxError, ValueError):
            before = []  # nothing to compare with: everything in the head counts as introduced
    return {"new": found, "old": before}


def flow(path: str, new: bytes, old: bytes | None) -> dict[str, Any]:
    """Like bandit, only what the base has not."""
    try:
        found = flow_scan.scan(path, new)
    except (SyntaxError, ValueError):
        return {"new": [], "old": []}  # bandit says of the same file that it does not parse
    except TooComplex:
        return {"unread": "it is too large and too branched to follow what flows through it"}
    before: list[dict[str, Any]] = []
    if found and old is not None:
        try:
            before = flow_scan.scan(path, old)
        except (SyntaxError, ValueError, TooComplex):
            before = []
    return {"new": found, "old": before}


def secrets(path: str, new: bytes, old: bytes | None) -> dict[str, Any]:
    """Only lines that the base has not as often: the others bring no secret that was not there."""
    text, before = decode(new), decode(old or b"")
    lines = text.split("\n")
    wanted = Counter(lines) - Counter(before.split("\n"))
    keys = list(secret_scan.scan_private_keys(text))
    in_keys = {number for key in keys for number in range(key["line"], key["end_line"] + 1)}
    found = secret_scan.scan(path, lines, wanted)
    return {
        "new": keys + [item for item in found if item["line"] not in in_keys],
        "old": list(secret_scan.scan_private_keys(before)) if keys else [],
    }


def text(path: str, new: bytes, old: bytes | None) -> dict[str, Any]:
    found = list(text_scan.scan(path, decode(new)))
    before = list(text_scan.scan(path, decode(old))) if found and old is not None else []
    return {"new": found, "old": before}


ANALYZERS: dict[str, Callable[[str, bytes, bytes | None], dict[str, Any]]] = {
    "bandit": bandit,
    "flow": flow,
    "secrets": secrets,
    "text": text,
}


def answer(header: dict[str, Any], bodies: list[bytes]) -> dict[str, Any]:
    """What each analyzer asked for says of a file; an error of one is its answer."""
    new, old = bodies[0], bodies[1] if len(bodies) > 1 else None
    results = {}
    for name in header["analyzers"]:
        start = time.perf_counter()
        try:
            result = ANALYZERS[name](header["path"], new, old)
        except Exception as error:  # RecursionError and MemoryError too: an answer is owed for each
            result = {"error": type(error).__name__}
        if len(result.get("new", ())) > MAXIMUM_DETECTIONS:
            result = {"unread": f"more than {MAXIMUM_DETECTIONS} findings"}
        elif "old" in result:
            result["old"] = result["old"][:MAXIMUM_DETECTIONS]  # a shorter base only makes more new
        results[name] = {**result, "seconds": time.perf_counter() - start}
    return results


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answers until the other end closes the pipe, under limits that this process cannot raise."""
    _limit()
    answers.write(pack({"versions": VERSIONS}))
    answers.flush()
    # From here on an error's text could quote a file.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    while lengths := requests.read(LENGTHS.size):
        header_size, body_size = LENGTHS.unpack(lengths)
        if header_size > MAXIMUM_HEADER_BYTES:
            raise ValueError("a header of that size is none of ours")
        header, bodies = unpack(requests.read(header_size), requests.read(body_size))
        _allow_seconds(CPU_SECONDS)
        results = answer(header, bodies)
        ends = _resident_bytes() > LARGEST_RESIDENT_BYTES
        answers.write(pack({"results": results, "ends": ends}))
        answers.flush()
        if ends:
            return


def _limit() -> None:
    for limit, value in (
        (resource.RLIMIT_AS, MEMORY_BYTES + STACK_BYTES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 16),
        (resource.RLIMIT_NPROC, 0),
    ):
        resource.setrlimit(limit, (value, value))


def _allow_seconds(seconds: int) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    resource.setrlimit(
        resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + seconds, resource.RLIM_INFINITY)
    )


def _resident_bytes() -> int:
    # ru_maxrss will not do: it starts with the size of the process that forked this one.
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


def run() -> None:
    """Serves in a thread, whose stack can hold deep syntax trees."""
    os.chdir("/")
    sys.setrecursionlimit(RECURSION_LIMIT)
    threading.stack_size(STACK_BYTES)
    thread = threading.Thread(target=serve, args=(sys.stdin.buffer, sys.stdout.buffer))
    thread.start()
    thread.join()
