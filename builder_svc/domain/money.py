"""What a build's tokens cost, where that is known; a budget in dollars needs to know."""

from collections.abc import Mapping
from dataclasses import replace

from autopack.errors import FailedPrecondition, Reason
from autopack.policy.plan import NamedBuilder, Phase
from autopack.policy.policy import Policy
from autopack.policy.prices import MILLION, Price
from builder_svc.domain.builder import Allowance


def price_of(phase: Phase, policy: Policy, known: Mapping[str, Price]) -> Price | None:
    """The price of the model that the phase's builder asks; None where it asks none, or nobody named it.

    `known` are the operator's prices; the policy's go before them.
    """
    model = _model(phase, policy)
    return policy.prices.get(model) or known.get(model)


def require_price(phase: Phase, policy: Policy, price: Price | None, allowance: Allowance) -> None:
    """Raises FailedPrecondition PRICE_UNKNOWN where dollars limit what nobody can count in dollars."""
    if allowance.usd is None or price is not None or not isinstance(phase.builder, NamedBuilder):
        return
    model = _model(phase, policy)
    what = f"of the model `{model}`" if model else f"of what the builder `{phase.builder.use}` asks"
    fix = (
        f"add prices: {{{model or 'MODEL'}: {{input: ..., output: ...}}}} (dollars for a million tokens) to "
        "autopack.yaml or to the file in AUTOPACK_MODEL_PRICES, or leave budget.usd out"
    )
    raise FailedPrecondition(
        Reason("PRICE_UNKNOWN", f"the budget is in dollars and the price {what} is not known", fix)
    )


def within_money(allowance: Allowance, price: Price | None) -> Allowance:
    """For a builder that counts tokens alone: as many as the dollars are for, whichever way they go."""
    dearest = max(price.input, price.output) if price else 0.0
    if allowance.usd is None or not dearest:
        return allowance
    return replace(allowance, tokens=int(min(allowance.tokens, allowance.usd * MILLION / dearest)))


def _model(phase: Phase, policy: Policy) -> str:
    """Empty where no model is asked, or an agent chooses one itself."""
    settings = policy.builders.get(phase.builder.use) if isinstance(phase.builder, NamedBuilder) else None
    return settings.model if settings else ""
