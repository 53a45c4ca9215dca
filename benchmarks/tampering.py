"""Flips one bit of each byte of all that is attested of a run, and does what else can be done: all is found.

python benchmarks/tampering.py [STEP]        (default: 1, each byte; 10: each tenth)
"""

import itertools
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from autopack.attestation.storage import add_files, ref_of
from tests.verify.attested import Attested, attested, found


def changes(files: dict[str, bytes], step: int) -> Iterator[tuple[str, dict[str, bytes]]]:
    """What somebody may do who writes the run's ref: by kind, the files afterwards."""
    for name, data in files.items():
        for at in range(0, len(data), step):
            changed = bytearray(data)
            changed[at] ^= 1 << at % 8
            yield "a bit flipped", {**files, name: bytes(changed)}
        for at in range(0, len(data), 97 * step):
            yield "cut off", {**files, name: data[:at]}
        lines = data.splitlines(keepends=True)
        for at, line in enumerate(lines):
            yield "a line deleted", {**files, name: b"".join(lines[:at] + lines[at + 1 :])}
            yield "a line doubled", {**files, name: b"".join([*lines[:at], line, *lines[at:]])}
        for one, other in itertools.combinations(range(len(lines)), 2):
            swapped = [*lines]
            swapped[one], swapped[other] = lines[other], lines[one]
            yield "lines swapped", {**files, name: b"".join(swapped)}
        yield "a file deleted", {each: text for each, text in files.items() if each != name}
    for first, second in itertools.combinations(files, 2):
        yield "files swapped", {**files, first: files[second], second: files[first]}


def written(made: Attested, files: dict[str, bytes]) -> str:
    return add_files(made.store, None, files, [], "attest\n", 1)


def main() -> None:
    step = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    with tempfile.TemporaryDirectory() as name:
        made = attested(Path(name))
        made.run("r1", 2)
        tip = made.store.resolve(ref_of("r1")) or ""
        files = {entry.path: made.store.read_blob(entry.oid) for entry in made.store.entries(tip)}
        if found(made, "r1"):
            raise SystemExit("the untouched run does not hold")
        missed: list[str] = []
        counts: dict[str, int] = {}
        started = time.perf_counter()
        for kind, changed in changes(files, step):
            if changed == files:
                continue
            old = made.store.resolve(ref_of("r1")) or ""
            made.store.update_refs([(ref_of("r1"), written(made, changed), old)])
            counts[kind] = counts.get(kind, 0) + 1
            if not found(made, "r1"):
                missed.append(kind)
    for kind, count in counts.items():
        print(f"  {kind:<16}{count:8}, found {count - missed.count(kind)}")
    print(f"{len(missed)} missed of {sum(counts.values())}, {time.perf_counter() - started:.0f} s")
    raise SystemExit(bool(missed))


if __name__ == "__main__":
    main()
