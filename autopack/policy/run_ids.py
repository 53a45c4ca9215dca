"""What a run may be called: its commits land on the branch `autopack/<run-id>`."""

import re

from autopack.errors import Reason

RESERVED = "tidy-"
"""Runs of Autopack's own, which leave no entries in the ledgers."""
_RUN_ID = re.compile(r"(?!.*\.\.)(?!.*\.(lock)?$)[a-z0-9][a-z0-9._-]{0,62}")


def is_run_id(text: str) -> bool:
    """Whether git accepts it as the end of a branch's name, and we as a run's."""
    return _RUN_ID.fullmatch(text) is not None


def refuse_run_id(run_id: str) -> Reason | None:
    """Why no run may be called so (RUN_ID_INVALID): git has to accept it as the end of a branch's name."""
    if not is_run_id(run_id):
        fix = "use 1 to 63 of a-z 0-9 `_` `-` and single `.`, not ending in `.` or `.lock`"
        return Reason("RUN_ID_INVALID", f"{run_id[:100]!a} is no run id", fix)
    if run_id.startswith(RESERVED):
        return Reason(
            "RUN_ID_INVALID", f"ids that begin with {RESERVED} are Autopack's own", "choose another"
        )
    return None
