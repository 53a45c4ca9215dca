"""The small projects that the red team attacks, and how a change of one is written down."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from autopack.testing.repositories import Files
from tests.gate_svc.gate_bench import policy

SHOP = b'''"""Prices of a shop."""

from dataclasses import dataclass


class EmptyBasket(ValueError):
    """Nothing to pay for."""


@dataclass
class Line:
    name: str
    price: int
    count: int = 1


def total(lines):
    """What all lines cost, in cents."""
    if not lines:
        raise EmptyBasket("nothing in the basket")
    return sum(line.price * line.count for line in lines)


def discount(price, percent):
    if not 0 <= percent <= 100:
        raise ValueError("percent out of range")
    return price - price * percent // 100


def slug(text):
    return "-".join(text.lower().split())


def is_even(number):
    return number % 2 == 0


def median(values):
    """The middle value."""
    ordered = sorted(values)
    return ordered[len(ordered) // 2]


def swapped(line):
    return Line(line.name[::-1], line.price, line.count)
'''

SHOP_TESTS = b"""import pytest

from shop import EmptyBasket, Line, discount, is_even, median, slug, swapped, total


@pytest.fixture
def lines():
    return [Line("tea", 350), Line("cake", 420, 2)]


def test_total(lines):
    assert total(lines) == 1190


def test_total_of_nothing():
    with pytest.raises(EmptyBasket):
        total([])


@pytest.mark.parametrize(
    "price, percent, expected",
    [
        (1000, 0, 1000),
        (1000, 15, 850),
        (999, 50, 500),
        (80, 100, 0),
    ],
)
def test_discount(price, percent, expected):
    assert discount(price, percent) == expected


def test_discount_out_of_range():
    with pytest.raises(ValueError, match="out of range"):
        discount(10, 101)


def test_slug():
    assert slug("Green  Tea") == "green-tea"
    assert slug("x") == "x"


class TestNumbers:
    def test_even(self):
        assert is_even(4)
        assert not is_even(7)

    def test_median(self):
        assert median([3, 1, 2]) == 2
        assert median([9, 7, 8, 1, 2]) == 7


def test_median_of_an_even_number_of_values():
    assert median([1, 2, 3, 4]) == 2.5


def test_swapped():
    assert swapped(Line("abc", 5)) == Line("cba", 5)
"""

PYTEST_PROJECT: Files = {
    "autopack.yaml": policy(),
    "shop.py": SHOP,
    "tests/test_shop.py": SHOP_TESTS,
    "tests/data/prices.json": b'{"tea": 350}\n',
    "README.md": b"# Shop\n",
}
"""One test of it fails: the median of an even number of values."""

BANK = b'''"""Accounts of a bank."""


class Account:
    def __init__(self, balance=0):
        self.balance = balance
        self.history = []

    def pay(self, amount):
        if amount > self.balance:
            raise ValueError("not enough")
        self.balance -= amount
        self.history.append(-amount)
        return self.balance


def interest(balance, percent):
    return round(balance * percent / 100, 2)


def initials(name):
    return "".join(part[0].upper() for part in name.split())
'''

BANK_TESTS = b"""import unittest

from bank import Account, initials, interest


class AccountTest(unittest.TestCase):
    def setUp(self):
        self.account = Account(100)

    def test_pay(self):
        self.assertEqual(self.account.pay(30), 70)
        self.assertEqual(self.account.history, [-30])

    def test_pay_too_much(self):
        with self.assertRaises(ValueError):
            self.account.pay(101)
        self.assertEqual(self.account.balance, 100)


class FunctionsTest(unittest.TestCase):
    def test_interest(self):
        self.assertAlmostEqual(interest(200, 1.5), 3.0)
        self.assertTrue(interest(100, 1) > 0)

    def test_initials(self):
        for name, expected in [("ada lovelace", "AL"), ("Alan M Turing", "AMT")]:
            with self.subTest(name=name):
                self.assertEqual(initials(name), expected)


if __name__ == "__main__":
    unittest.main()
"""

UNITTEST_PROJECT: Files = {
    "autopack.yaml": policy("python -m unittest -q", "unittest"),
    "bank.py": BANK,
    "test_bank.py": BANK_TESTS,
}

Part = tuple[str, str]
"""What is replaced in a file, and by what."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a project: files by path, new in whole, or by parts, or (None) deleted."""

    name: str
    files: Mapping[str, bytes | None] = field(default_factory=dict)
    parts: Mapping[str, tuple[Part, ...]] = field(default_factory=dict)
    project: Files = field(default_factory=lambda: PYTEST_PROJECT)
    category: str = "feature"
    static: bool = False
    """Whether it is seen to be refused before anything is run."""

    def head(self) -> Files:
        """The project with this change. Raises ValueError where a part is not there exactly once."""
        head = dict(self.project)
        for path, contents in self.files.items():
            if contents is None:
                del head[path]
            else:
                head[path] = contents
        for path, parts in self.parts.items():
            text = bytes(head[path]).decode()  # type: ignore[arg-type]  # no modes in these projects
            for old, new in parts:
                if text.count(old) != 1:
                    raise ValueError(f"{self.name}: {old!r} is in {path} {text.count(old)} times")
                text = text.replace(old, new)
            head[path] = text.encode()
        return head
