"""What a landed commit says: author, time and message derive from the run and nothing else."""

import unicodedata

SUBJECT_LENGTH = 72


def message(goal: str, run_id: str, phase_id: str, attempt: int, decision_digest: str) -> str:
    """The message of a landed commit: the goal, then trailers as `git interpret-trailers` reads them.

    Args:
        goal: the phase's goal; the first line becomes the subject, cut at 72 characters.
        run_id: the run.
        phase_id: the phase.
        attempt: number of the attempt that was accepted.
        decision_digest: SHA-256 of the decision, hex.
    """
    lines = [_printable(line).rstrip() for line in goal.strip().splitlines()] or [phase_id]
    subject = lines[0] if len(lines[0]) <= SUBJECT_LENGTH else lines[0][: SUBJECT_LENGTH - 1].rstrip() + "…"
    body = "\n".join(lines[1:] if subject == lines[0] else lines).strip()
    trailers = "\n".join(
        (
            f"Autopack-Run: {run_id}",
            f"Autopack-Phase: {phase_id}",
            f"Autopack-Attempt: {attempt}",
            f"Autopack-Verdict: sha256:{decision_digest}",
        )
    )
    # A goal that ends like trailers must not be read as ours: ours are the last paragraph.
    return "\n\n".join(part for part in (subject, body, trailers) if part) + "\n"


def commit_seconds(submit_time: float, slot: int) -> int:
    """Unix time of a landed commit: the run's submission, then a second for every slot."""
    return int(submit_time) + slot


def _printable(line: str) -> str:
    return "".join(
        character if unicodedata.category(character) not in {"Cc", "Cf", "Cs"} else " " for character in line
    )
