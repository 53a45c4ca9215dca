"""Prices in cents."""

import os
import sys


def discounted(price: int, percent: int) -> int:
    """The price less a discount, rounded half up to whole cents."""
    return price - price * percent // 100


def with_tax(price: int, percent: int) -> int:
    """The price with tax, rounded half up to whole cents."""
    return (price * (100 + percent) * 2 + 100) // 200
