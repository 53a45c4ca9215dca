"""Patches that plans bring along: the edits they make, and what is wrong with them before anything runs."""

from dataclasses import replace

from autopack.errors import AutopackError, Reason
from autopack.gitstore.conflict_markers import find_conflict_markers
from autopack.gitstore.patch import parse_patch, refuse_patch
from autopack.gitstore.store import GitStore
from autopack.gitstore.trial import TrialStore
from autopack.gitstore.write_path import Edit, apply_edits, refuse_sizes
from autopack.policy.paths import PathRules, refuse_all
from autopack.policy.plan import PatchBuilder


def planned_edits(store: GitStore, base: str, planned: PatchBuilder) -> tuple[Edit, ...]:
    """What the patch makes of the files at `base`. Raises what `parse_patch` raises."""
    if planned.diff:
        return parse_patch(store, base, planned.diff.encode())
    return tuple(
        Edit(path, None if contents is None else contents.encode())
        for path, contents in planned.files.items()
    )


def refuse_anywhere(planned: PatchBuilder, rules: PathRules) -> tuple[Reason, ...]:
    """Why the patch can be applied to no base at all: its form, its paths, its size."""
    if planned.diff:
        return refuse_patch(planned.diff.encode(), rules)
    sizes = {path: len(text.encode()) for path, text in planned.files.items() if text is not None}
    return (*refuse_sizes(sizes), *refuse_all(rules, planned.files))


def refuse_at(store: GitStore, base: str, planned: PatchBuilder, rules: PathRules) -> tuple[Reason, ...]:
    """Why the patch cannot be built at `base`: what the builder would find there. Nothing is written."""
    trial = TrialStore(store)
    try:
        edits = planned_edits(trial, base, planned)
        apply_edits(trial, base, edits, rules)
        return find_conflict_markers(trial, base, edits)
    except AutopackError as error:
        return error.reasons


def of_phase(phase_id: str, reason: Reason) -> Reason:
    """The reason, saying which phase's patch it is about."""
    return replace(reason, message=f"phase `{phase_id}`: {reason.message}")
