"""What models cost: a table by model name, in the policy or in a file of the operator's."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import Field

from autopack.errors import InvalidInput, Reason
from autopack.policy.document import compose
from autopack.policy.fields import CLOSED, Money, Version, Words
from autopack.policy.validation import validate

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """United States dollars for a million tokens; a model of one's own may cost 0, which has to be said."""

    __pydantic_config__ = CLOSED
    input: Money
    output: Money

    def usd(self, input_tokens: int, output_tokens: int) -> float:
        """Dollars for so many tokens."""
        return (input_tokens * self.input + output_tokens * self.output) / MILLION


Prices = Annotated[
    Mapping[Annotated[Words, Field(min_length=1, max_length=200)], Price], Field(max_length=1000)
]


@dataclass(frozen=True, slots=True)
class PriceTable:
    """A file of prices, written as the policy writes them."""

    __pydantic_config__ = CLOSED
    version: Version = 1
    prices: Prices = field(default_factory=dict)


def load_prices(path: Path) -> Mapping[str, Price]:
    """Prices by model. Raises InvalidInput: SETTING_INVALID where it cannot be read, else every fault."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        message = f"the file of prices {str(path)!a} cannot be read: {error}"
        raise InvalidInput(
            Reason("SETTING_INVALID", message, "name a YAML file in AUTOPACK_MODEL_PRICES")
        ) from None
    node = compose(text, str(path))
    table, reasons = validate(PriceTable, node.value, "PRICES_INVALID", str(path), node.line_of)
    if table is None:
        raise InvalidInput(*reasons)
    return table.prices
