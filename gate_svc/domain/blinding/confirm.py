"""Puts together what tests said blind, and what those of them said that then ran as they are written."""

from dataclasses import replace

from gate_svc.domain.evidence import (
    CheckRun,
    Doubt,
    DoubtKind,
    Evidence,
    Outcome,
    worse,
)


def to_be_seen(blind: CheckRun) -> frozenset[str] | None:
    """Tests that are to run as they are written, none of them: all; None where what was seen suffices."""
    if blind.ended.exit_code is None:
        return None  # it would not end now either
    if blind.fault is not None or blind.evidence is None:
        return frozenset()
    doubted = {name for name, doubt in blind.evidence.doubts.items() if doubt.kind is not DoubtKind.UNEQUAL}
    if blind.evidence.unloaded:
        return frozenset()
    return (blind.evidence.failing() | doubted) or None


def confirm(blind: CheckRun, plain: CheckRun) -> CheckRun:
    """The run as it is told: red where the tests as written are red, in doubt where only they are green."""
    if (
        blind.evidence is None
        or blind.fault is not None
        or plain.evidence is None
        or plain.ended.exit_code is None
    ):
        return _without_sight(blind, plain)
    before, after = blind.evidence, plain.evidence
    seen = to_be_seen(blind) or before.failing()
    tests, doubts = dict(before.tests), dict(before.doubts)
    for name, outcome in after.tests.items():
        tests[name] = outcome if name in seen else worse(tests.get(name, outcome), outcome)
        if outcome is not Outcome.PASSED:
            doubts.pop(name, None)
        elif name in before.failing():
            doubts[name] = Doubt(
                DoubtKind.BLIND_FAILURE, f"{name} passes only where its expectations are at hand"
            )
    red = any(outcome in (Outcome.FAILED, Outcome.ERROR) for outcome in tests.values())
    told = plain if after.failing() or (blind.ended.exit_code != 0 and not red) else blind
    evidence = replace(
        before,
        tests=tests,
        unloaded=after.unloaded,
        unfinished=told.evidence.unfinished if told.evidence else (),
        runner_failed=told.evidence.runner_failed if told.evidence else False,
        proofs={name: proof for name, proof in before.proofs.items() if name not in doubts},
        doubts=doubts,
    )
    return replace(told, evidence=evidence, seconds=blind.seconds + plain.seconds)


def _without_sight(blind: CheckRun, plain: CheckRun) -> CheckRun:
    """Blind, the run proved nothing: if the tests as written do, that it did not is kept as a doubt."""
    if plain.evidence is None or blind.ended.exit_code is None:
        return plain
    said = blind.fault.message if blind.fault else "the run left no evidence"
    doubts = {
        name: Doubt(DoubtKind.BLIND_FAILURE, f"without the tests' expectations, {said}")
        for name, outcome in plain.evidence.tests.items()
        if outcome is Outcome.PASSED
    }
    evidence: Evidence = replace(plain.evidence, doubts=doubts)
    return replace(plain, evidence=evidence, seconds=blind.seconds + plain.seconds)
