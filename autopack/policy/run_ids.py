"""What a run may be called: its commits land on the branch `autopack/<run-id>`."""

import re

from autopack.errors import Reason

RESERVED = "tidy-"
"""Runs of Autopack's own, which leave no entries in the ledgers."""
_RUN_ID = re.compile(r"(?!.*\.\.)(?!.*\.(lock)?$)[a-z0-9][a-z0-9._-]{0,62}")


def refuse_run_id(run_id: str) -> Reason | None:
    """Why no run may be called so (RUN_ID_INVALID): git has to accept it as the end of a branch's name."""
    if not _RUN_ID.fullmatch(run_id):
        fix = "use 1 to 63 of a-z 0-9 `_` `-` and single `.`, not ending in `.` or `.lock`"
        return Reason("RUN_ID_INVALID", f"{run_id[:100]!a} is no run id", fix)
    if run_id.startswith(RESERVED):
        return Reason(
            "RUN_ID_INVALID", f"ids that begin with {RESERVED} are Autopack's own", "choose another"
        )
    return None
