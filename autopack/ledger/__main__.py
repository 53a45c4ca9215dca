"""`python -m autopack.ledger`: `autopack contracts check` where there is nothing but git and Python."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from autopack.errors import InvalidInput, Reason
from autopack.ledger.contracts import check, write
from autopack.ledger.history import Repository

HOLDS, BROKEN, INVALID = 0, 1, 2


def run(directory: Path, staged: bool, update: bool, since: str, as_json: bool) -> int:
    """Prints what does not hold, with file, line and the command that mends it; the exit code."""
    try:
        repository = Repository(directory, staged)
        written = write(repository) if update else []
        reasons = check(repository, since)
    except InvalidInput as error:
        if as_json:
            first = error.reasons[0]
            print(json.dumps({"error": {"code": first.code, "message": first.message, "fix": first.fix}}))
        else:
            _print(error.reasons)
        return INVALID
    if as_json:
        told = [{name: value for name, value in asdict(reason).items() if value} for reason in reasons]
        holds = not reasons
        document = {"schema": "contracts/v1alpha1", "holds": holds, "written": written, "reasons": told}
        print(json.dumps(document, indent=2))
    else:
        for path in written:
            print(f"wrote {path}")
        _print(reasons)
        if not reasons:
            print("the contracts hold")
    return BROKEN if reasons else HOLDS


def _print(reasons: tuple[Reason, ...] | list[Reason]) -> None:
    for reason in reasons:
        place = f"{reason.path}:{reason.line or 1}: " if reason.path else ""
        print(_plain(f"{place}{reason.code}: {reason.message}"))
        print(_plain(f"    mend: {reason.fix}"))


def _plain(text: str) -> str:
    """Without what a terminal would obey."""
    return "".join(character if character.isprintable() else "?" for character in text)


def main() -> None:
    """Leaves with 0 where all holds, 1 where something does not, 2 where there is no repository."""
    parser = argparse.ArgumentParser(prog="python -m autopack.ledger", description=__doc__)
    parser.add_argument("directory", nargs="?", type=Path, default=Path())
    parser.add_argument("--staged", action="store_true", help="what the next commit would hold")
    parser.add_argument("--write", action="store_true", help="first write what is generated anew")
    parser.add_argument("--since", default="", metavar="COMMIT", help="take earlier history as it is")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    sys.exit(run(given.directory, given.staged, given.write, given.since, given.json))


if __name__ == "__main__":
    main()
