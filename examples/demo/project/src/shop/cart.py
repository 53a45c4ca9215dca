"""A cart of priced lines."""

from dataclasses import dataclass, field

from shop.prices import discounted


@dataclass
class Cart:
    """What somebody wants to buy."""

    lines: list[tuple[str, int, int]] = field(default_factory=list)

    def add(self, name: str, price: int, quantity: int = 1) -> None:
        """Adds a line; the price is that of one piece, in cents."""
        self.lines.append((name, price, quantity))

    def total(self, discount: int = 0) -> int:
        """What all lines cost together, less a discount in percent."""
        return discounted(sum(price for _, price, quantity in self.lines), discount)
