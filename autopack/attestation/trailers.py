"""The trailers of a landed commit, as `git interpret-trailers` reads them: the last paragraph."""

from dataclasses import dataclass

_NAMES = ("Autopack-Run", "Autopack-Phase", "Autopack-Attempt", "Autopack-Verdict")


@dataclass(frozen=True, slots=True)
class Trailers:
    """What a commit says of itself."""

    run_id: str
    phase_id: str
    attempt: int
    decision_digest: str


def read_trailers(message: str) -> Trailers | None:
    """What the message says; None where it has not all of them, once each."""
    paragraph = message.rstrip("\n").rpartition("\n\n")[2]
    lines = [line.partition(": ") for line in paragraph.split("\n")]
    if [name for name, _, _ in lines] != list(_NAMES):
        return None
    run_id, phase_id, attempt, verdict = (value for _, _, value in lines)
    algorithm, _, digest = verdict.partition(":")
    if not attempt.isdecimal() or len(attempt) > 9 or algorithm != "sha256":
        return None
    return Trailers(run_id, phase_id, int(attempt), digest)
