"""What a phase may still spend; reserved before it is spent, never refunded by a crash."""

from dataclasses import dataclass

from autopack.errors import Reason
from orchestrator_svc.domain.run import Phase


@dataclass(frozen=True, slots=True)
class Budget:
    """What a phase may spend in all, or what is left of it."""

    attempts: int
    seconds: float
    tokens: int
    usd: float | None
    """None where no limit was set."""


def left(budget: Budget, phase: Phase) -> Budget:
    """What is left: an attempt that has not ended counts with all that was reserved for it."""
    used = [attempt.usage for attempt in phase.attempts]
    tokens = sum(usage.input_tokens + usage.output_tokens for usage in used)
    reserved = sum(attempt.reserved_tokens for attempt in phase.attempts)
    spent = sum(usage.usd or 0.0 for usage in used)
    return Budget(
        attempts=max(0, budget.attempts - len(phase.attempts)),
        seconds=max(0.0, budget.seconds - sum(usage.seconds for usage in used)),
        tokens=max(0, budget.tokens - tokens - reserved),
        usd=None if budget.usd is None else max(0.0, budget.usd - spent),
    )


def exhausted(remaining: Budget) -> Reason | None:
    """Why another attempt cannot be paid for, if it cannot."""
    for name, amount in (
        ("attempts", remaining.attempts),
        ("seconds", remaining.seconds),
        ("tokens", remaining.tokens),
        ("usd", 1.0 if remaining.usd is None else remaining.usd),
    ):
        if amount <= 0:
            return Reason(
                "BUDGET_EXHAUSTED",
                f"The phase's budget of {name} is spent.",
                f"Raise budget.{name} in the plan (not above the policy's) and run again.",
            )
    return None
