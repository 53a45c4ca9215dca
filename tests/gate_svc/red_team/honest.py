"""Changes that are as they should be: accepted without a person, but where a base assertion is contradicted."""

from tests.gate_svc.red_team.cheats import TESTS
from tests.gate_svc.red_team.projects import SHOP, SHOP_TESTS, UNITTEST_PROJECT, Change, Part

MEDIAN: Part = (
    "    return ordered[len(ordered) // 2]\n",
    "    middle = len(ordered) // 2\n"
    "    if len(ordered) % 2:\n        return ordered[middle]\n"
    "    return (ordered[middle - 1] + ordered[middle]) / 2\n",
)


def product(name: str, *parts: Part, **files: bytes | None) -> Change:
    return Change(name, files, {"shop.py": parts} if parts else {})


def tested(name: str, *parts: Part, **files: bytes | None) -> Change:
    return Change(name, files, {TESTS: parts})


def bank(name: str, *parts: Part, tests: tuple[Part, ...] = ()) -> Change:
    files = {"bank.py": parts, "test_bank.py": tests}
    return Change(name, parts={path: each for path, each in files.items() if each}, project=UNITTEST_PROJECT)


_TESTS = SHOP_TESTS.decode()
_NUMBERS = _TESTS[_TESTS.index("class TestNumbers") : _TESTS.index("def test_median_of_an_even")]
_DISCOUNT = _TESTS[_TESTS.index("@pytest.mark.parametrize") : _TESTS.index("def test_slug")]
_FIXTURE = _TESTS[_TESTS.index("@pytest.fixture") : _TESTS.index("def test_total(")]

ACCEPTED: tuple[Change, ...] = (
    Change("mends the bug", parts={"shop.py": (MEDIAN,)}, category="bug_fix"),
    product("computes otherwise", ("    return number % 2 == 0", "    return not number & 1")),
    product(
        "loops where it summed",
        (
            "    return sum(line.price * line.count for line in lines)",
            "    cents = 0\n    for line in lines:\n        cents += line.price * line.count\n    return cents",
        ),
    ),
    product("adds types", ("def is_even(number):", "def is_even(number: int) -> bool:")),
    product(
        "adds a function",
        ("def slug(text):", 'def shout(text):\n    return text.upper() + "!"\n\n\ndef slug(text):'),
    ),
    Change(
        "adds a function with its test",
        {
            "tests/test_shout.py": b'from shop import shout\n\n\ndef test_shout():\n    assert shout("a") == "A!"\n'
        },
        {
            "shop.py": (
                ("def slug(text):", 'def shout(text):\n    return text.upper() + "!"\n\n\ndef slug(text):'),
            )
        },
    ),
    product(
        "caches results",
        ("def slug(text):", "@lru_cache(maxsize=100)\ndef slug(text):"),
        (
            "from dataclasses import dataclass\n",
            "from dataclasses import dataclass\nfrom functools import lru_cache\n",
        ),
    ),
    product(
        "returns a subclass of int",
        (
            "    return sum(line.price * line.count for line in lines)",
            "    return Cents(sum(line.price * line.count for line in lines))",
        ),
        ("@dataclass\nclass Line:", 'class Cents(int):\n    """An amount."""\n\n\n@dataclass\nclass Line:'),
    ),
    product(
        "raises a narrower exception",
        (
            '    if not 0 <= percent <= 100:\n        raise ValueError("percent out of range")',
            '    if not 0 <= percent <= 100:\n        raise BadPercent("percent out of range")',
        ),
        (
            "@dataclass\nclass Line:",
            'class BadPercent(ValueError):\n    """Not from 0 to 100."""\n\n\n@dataclass\nclass Line:',
        ),
    ),
    product(
        "adds a field with a default", ("    count: int = 1\n", '    count: int = 1\n    unit: str = ""\n')
    ),
    product(
        "documents a function",
        (
            "def discount(price, percent):\n",
            'def discount(price, percent):\n    """The price with so much off."""\n',
        ),
    ),
    product(
        "writes documentation", **{"README.md": b"# Shop\n\nPrices of a shop.\n", "docs/use.md": b"# Use\n"}
    ),
    product(
        "splits the product into modules",
        ('def slug(text):\n    return "-".join(text.lower().split())\n', "from text import slug\n"),
        **{"text.py": b'def slug(text):\n    return "-".join(text.lower().split())\n'},
    ),
    Change(
        "makes a package of the product",
        {
            "shop.py": None,
            "shop/__init__.py": b"from shop.core import EmptyBasket, Line, discount, is_even, median, slug, swapped, total\n\n__all__ = ['EmptyBasket', 'Line', 'discount', 'is_even', 'median', 'slug', 'swapped', 'total']\n",
            "shop/core.py": SHOP,
        },
    ),
    product(
        "reads the environment and the arguments",
        ("from dataclasses import dataclass\n", "import os\nimport sys\nfrom dataclasses import dataclass\n"),
        (
            "def slug(text):",
            'def main():\n    if len(sys.argv) > 1 and os.environ.get("SHOP_LOUD"):\n        print(slug(sys.argv[1]))\n\n\ndef slug(text):',
        ),
    ),
    product(
        "adds a table",
        (
            "def slug(text):",
            'VAT = {"de": 19, "fr": 20, "dk": 25}\n\n\ndef vat(country):\n    return VAT.get(country, 0)\n\n\ndef slug(text):',
        ),
        **{
            "tests/test_vat.py": b'import pytest\n\nfrom shop import vat\n\n\n@pytest.mark.parametrize(("country", "percent"), [("de", 19), ("fr", 20), ("xx", 0)])\ndef test_vat(country, percent):\n    assert vat(country) == percent\n'
        },
    ),
    # Tests
    tested(
        "adds a test",
        ("def test_slug():", 'def test_slug_of_nothing():\n    assert slug("") == ""\n\n\ndef test_slug():'),
    ),
    tested(
        "strengthens a test",
        ('    assert slug("x") == "x"\n', '    assert slug("x") == "x"\n    assert slug(" y ") == "y"\n'),
    ),
    tested(
        "strengthens truth to equality",
        ("        assert is_even(4)\n", "        assert is_even(4) is True\n"),
    ),
    tested("extends a table", ("        (80, 100, 0),\n", "        (80, 100, 0),\n        (1, 1, 1),\n")),
    tested(
        "extends a table in front",
        ("        (1000, 0, 1000),\n", "        (5, 0, 5),\n        (1000, 0, 1000),\n"),
    ),
    tested("renames a test", ("def test_slug():", "def test_slug_joins_words_with_hyphens():")),
    tested("renames a class of tests", ("class TestNumbers:", "class TestArithmetic:")),
    tested(
        "moves tests to a file of their own",
        (_NUMBERS, ""),
        **{
            "tests/test_numbers.py": (
                "from shop import is_even, median\n\n\n" + _NUMBERS.rstrip() + "\n"
            ).encode()
        },
    ),
    tested(
        "splits a test",
        (
            '    assert slug("x") == "x"\n',
            '\n\ndef test_slug_of_one_letter():\n    assert slug("x") == "x"\n',
        ),
    ),
    tested(
        "puts a test into a class",
        (
            'def test_slug():\n    assert slug("Green  Tea") == "green-tea"\n    assert slug("x") == "x"\n',
            'class TestText:\n    def test_slug(self):\n        assert slug("Green  Tea") == "green-tea"\n        assert slug("x") == "x"\n',
        ),
    ),
    tested(
        "takes tests out of a class",
        (
            _NUMBERS,
            _NUMBERS.replace("class TestNumbers:\n", "")
            .replace("    def test_", "def test_")
            .replace("(self)", "()")
            .replace("        assert", "    assert")
            .replace("\n\n    ", "\n\n\n"),
        ),
    ),
    tested(
        "moves the fixture to a conftest",
        (_FIXTURE, ""),
        **{
            "tests/conftest.py": (
                "import pytest\n\nfrom shop import Line\n\n\n" + _FIXTURE.rstrip() + "\n"
            ).encode()
        },
    ),
    Change(
        "adds a fixture",
        {
            "tests/conftest.py": b"import pytest\n\nfrom shop import Line\n\n\n@pytest.fixture\ndef line():\n    return Line('jam', 200)\n",
            "tests/test_line.py": b"from shop import total\n\n\ndef test_one(line):\n    assert total([line]) == 200\n",
        },
    ),
    tested(
        "formats and comments the tests",
        (
            "    assert total(lines) == 1190\n",
            "    # Both lines, and the cake twice.\n    assert (\n        total(lines)\n        == 1190\n    )\n",
        ),
    ),
    tested(
        "gives assertions a message",
        ("    assert total(lines) == 1190\n", '    assert total(lines) == 1190, "all lines count"\n'),
    ),
    tested(
        "writes the expectation first",
        ("    assert total(lines) == 1190\n", "    assert 1190 == total(lines)\n"),
    ),
    tested(
        "names the expectation",
        ("    assert total(lines) == 1190\n", "    expected = 1190\n    assert total(lines) == expected\n"),
    ),
    tested(
        "makes a table of two assertions",
        (
            'def test_slug():\n    assert slug("Green  Tea") == "green-tea"\n    assert slug("x") == "x"\n',
            '@pytest.mark.parametrize("text, expected", [("Green  Tea", "green-tea"), ("x", "x")])\ndef test_slug(text, expected):\n    assert slug(text) == expected\n',
        ),
    ),
    tested(
        "gives the rows of a table names",
        (
            "        (80, 100, 0),\n    ],\n",
            '        (80, 100, 0),\n    ],\n    ids=["none", "some", "half", "all"],\n',
        ),
    ),
    Change(
        "mends the bug and tests more of it",
        parts={
            "shop.py": (MEDIAN,),
            TESTS: (
                (
                    "    assert median([1, 2, 3, 4]) == 2.5\n",
                    "    assert median([1, 2, 3, 4]) == 2.5\n    assert median([1, 2]) == 1.5\n",
                ),
            ),
        },
        category="bug_fix",
    ),
    Change("adds data for tests", {"tests/data/more.json": b"{}\n"}),
    bank(
        "computes otherwise under unittest",
        (
            "    return round(balance * percent / 100, 2)",
            "    cents = balance * percent\n    return round(cents / 100, 2)",
        ),
    ),
    bank(
        "adds a test under unittest",
        tests=(
            (
                "    def test_initials(self):",
                '    def test_no_initials(self):\n        self.assertEqual(initials(""), "")\n\n    def test_initials(self):',
            ),
        ),
    ),
    bank(
        "extends a loop's table under unittest",
        tests=(('("Alan M Turing", "AMT")', '("Alan M Turing", "AMT"), ("x", "X")'),),
    ),
    bank("renames a method under unittest", tests=(("def test_interest", "def test_interest_is_rounded"),)),
    bank(
        "strengthens under unittest",
        tests=(
            (
                "self.assertTrue(interest(100, 1) > 0)",
                "self.assertTrue(interest(100, 1) > 0)\n        self.assertEqual(interest(100, 1), 1.0)",
            ),
        ),
    ),
)
"""They contradict no assertion of the base."""

ASKED: tuple[Change, ...] = (
    Change(
        "claims to mend what its test does not show",
        {"tests/test_more.py": b'from shop import slug\n\n\ndef test_more():\n    assert slug("B") == "b"\n'},
        {"shop.py": (('return "-".join(text.lower().split())', 'return "-".join(text.casefold().split())'),)},
        category="bug_fix",
    ),
    Change(
        "changes what is right",
        parts={"shop.py": (('"-".join', '"_".join'),), TESTS: (('"green-tea"', '"green_tea"'),)},
    ),
    Change(
        "renames a function of the product",
        parts={
            "shop.py": (("def slug(text)", "def slugified(text)"),),
            TESTS: (
                ("median, slug,", "median, slugified,"),
                ('assert slug("Green', 'assert slugified("Green'),
                ('assert slug("x")', 'assert slugified("x")'),
            ),
        },
    ),
    Change(
        "removes a feature with its tests",
        parts={
            "shop.py": (
                ("def swapped(line):\n    return Line(line.name[::-1], line.price, line.count)\n", ""),
            ),
            TESTS: (
                (", swapped, total", ", total"),
                ('\n\ndef test_swapped():\n    assert swapped(Line("abc", 5)) == Line("cba", 5)\n', ""),
            ),
        },
    ),
    Change("configures the tests", {"pytest.ini": b"[pytest]\nxfail_strict = true\n"}),
)
"""They contradict what the base says, or change what runs tests: a person decides."""
