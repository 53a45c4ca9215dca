"""More changes that are as they should be: refactorings, features, tables, generated files, binaries, docs."""

from tests.gate_svc.red_team.cheats import TESTS
from tests.gate_svc.red_team.honest import bank, product, tested
from tests.gate_svc.red_team.projects import Change

_TOTAL = "    return sum(line.price * line.count for line in lines)"
_DISCOUNT = "    return price - price * percent // 100"
_PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))

MORE_ACCEPTED: tuple[Change, ...] = (
    product(
        "extracts a function",
        (_TOTAL, "    return sum(map(_cost, lines))"),
        ("def total(lines):", "def _cost(line):\n    return line.price * line.count\n\n\ndef total(lines):"),
    ),
    product(
        "names what it computes", (_DISCOUNT, "    off = price * percent // 100\n    return price - off")
    ),
    product(
        "returns early",
        (
            "    ordered = sorted(values)\n",
            "    if len(values) == 1:\n        return values[0]\n    ordered = sorted(values)\n",
        ),
    ),
    product(
        "moves a check to a function",
        (
            '    if not 0 <= percent <= 100:\n        raise ValueError("percent out of range")\n',
            "    _check(percent)\n",
        ),
        (
            "def discount(price, percent):",
            'def _check(percent):\n    if not 0 <= percent <= 100:\n        raise ValueError("percent out of range")\n\n\ndef discount(price, percent):',
        ),
    ),
    product(
        "sorts with a key",
        ("    ordered = sorted(values)\n", "    ordered = sorted(values, key=lambda value: value)\n"),
    ),
    product(
        "reads a regular expression",
        (
            '    return "-".join(text.lower().split())',
            '    return re.sub(r"\\s+", "-", text.lower().strip())',
        ),
        ("from dataclasses import dataclass\n", "import re\nfrom dataclasses import dataclass\n"),
    ),
    product(
        "gives an object a method",
        (
            "    count: int = 1\n",
            "    count: int = 1\n\n    @property\n    def cost(self):\n        return self.price * self.count\n",
        ),
        (_TOTAL, "    return sum(line.cost for line in lines)"),
    ),
    product("gives an object an order", ("@dataclass\nclass Line:", "@dataclass(order=True)\nclass Line:")),
    product(
        "copies with replace",
        (
            "    return Line(line.name[::-1], line.price, line.count)",
            "    return replace(line, name=line.name[::-1])",
        ),
        ("import dataclass\n", "import dataclass, replace\n"),
    ),
    product(
        "logs",
        ("def total(lines):", "logger = logging.getLogger(__name__)\n\n\ndef total(lines):"),
        (_TOTAL, '    logger.debug("%d lines", len(lines))\n' + _TOTAL),
        ("from dataclasses", "import logging\nfrom dataclasses"),
    ),
    product(
        "warns of what is old",
        (
            "def slug(text):",
            'def slugify(text):\n    warnings.warn("use slug", DeprecationWarning, stacklevel=2)\n    return slug(text)\n\n\ndef slug(text):',
        ),
        ("from dataclasses", "import warnings\nfrom dataclasses"),
    ),
    product(
        "adds a command line",
        (
            "def swapped(line):",
            'def main(arguments=None):\n    parser = argparse.ArgumentParser()\n    parser.add_argument("text")\n    print(slug(parser.parse_args(arguments).text))\n\n\ndef swapped(line):',
        ),
        ("from dataclasses", "import argparse\nfrom dataclasses"),
    ),
    product(
        "adds an enumeration",
        (
            "@dataclass\nclass Line:",
            'class Unit(Enum):\n    PIECE = "piece"\n    KILO = "kilo"\n\n\n@dataclass\nclass Line:',
        ),
        ("from dataclasses import dataclass\n", "from dataclasses import dataclass\nfrom enum import Enum\n"),
    ),
    product(
        "adds what waits",
        (
            "def slug(text):",
            "async def slugs(texts):\n    return [slug(text) for text in texts]\n\n\ndef slug(text):",
        ),
    ),
    product(
        "adds what yields",
        (
            "def slug(text):",
            "def expensive(lines, limit):\n    for line in lines:\n        if line.price > limit:\n            yield line\n\n\ndef slug(text):",
        ),
    ),
    product(
        "guards types",
        (
            "def slug(text):\n",
            'def slug(text):\n    if not isinstance(text, str):\n        raise TypeError("text is no string")\n',
        ),
    ),
    product(
        "handles what was an error",
        (
            "    ordered = sorted(values)\n",
            '    if not values:\n        raise ValueError("no values")\n    ordered = sorted(values)\n',
        ),
    ),
    product(
        "adds a table of many entries",
        (
            "def slug(text):",
            "WORDS = {\n"
            + "".join(f'    "word{n}": {n},\n' for n in range(40))
            + "}\n\n\ndef number(word):\n    return WORDS[word]\n\n\ndef slug(text):",
        ),
    ),
    product(
        "adds a generated file",
        **{
            "shop_pb2.py": b"# Generated by the protocol buffer compiler.  DO NOT EDIT!\nDESCRIPTOR = b'\\n\\x04shop'\n"
        },
    ),
    product("adds a picture", **{"docs/logo.png": _PNG}),
    product("adds settings of an editor", **{".editorconfig": b"root = true\n"}),
    product(
        "writes what has changed", **{"CHANGES.md": b"# Changes\n\n- Median of an even number of values.\n"}
    ),
    product("adds a script", **{"tools/release.sh": b"#!/bin/sh\nset -e\necho done\n"}),
    product(
        "adds translations", **{"locale/de.json": '{"total": "Summe", "off": "Nachlass für alle"}\n'.encode()}
    ),
    Change(
        "adds a feature with a table of tests",
        {
            "tests/test_clip.py": b"import pytest\n\nfrom shop import clip\n\n\n@pytest.mark.parametrize('value, low, high, expected', [(5, 0, 3, 3), (-5, 0, 3, 0), (2, 0, 3, 2)])\ndef test_clip(value, low, high, expected):\n    assert clip(value, low, high) == expected\n"
        },
        {
            "shop.py": (
                (
                    "def slug(text):",
                    "def clip(value, low, high):\n    return max(low, min(high, value))\n\n\ndef slug(text):",
                ),
            )
        },
    ),
    Change(
        "adds a feature with tests of unittest's kind",
        {
            "tests/test_clip.py": b"import unittest\n\nfrom shop import clip\n\n\nclass ClipTest(unittest.TestCase):\n    def test_clip(self):\n        self.assertEqual(clip(5, 3), 3)\n        self.assertEqual(clip(2, 3), 2)\n"
        },
        {
            "shop.py": (
                (
                    "def slug(text):",
                    "def clip(value, high):\n    return min(high, value)\n\n\ndef slug(text):",
                ),
            )
        },
    ),
    tested(
        "tests with what it is given",
        (
            "def test_slug():",
            "def test_slug_of_a_path(tmp_path):\n    (tmp_path / 'x').write_text('A b')\n    assert slug((tmp_path / 'x').read_text()) == 'a-b'\n\n\ndef test_slug():",
        ),
    ),
    tested(
        "tests what is printed",
        (
            "def test_slug():",
            "def test_printed(capsys):\n    print(slug('A b'))\n    assert capsys.readouterr().out == 'a-b\\n'\n\n\ndef test_slug():",
        ),
    ),
    tested(
        "tests with another environment",
        (
            "def test_slug():",
            "def test_in_another_place(monkeypatch, tmp_path):\n    monkeypatch.chdir(tmp_path)\n    monkeypatch.setenv('LANG', 'de')\n    assert slug('A b') == 'a-b'\n\n\ndef test_slug():",
        ),
    ),
    tested(
        "tests in a loop",
        (
            "def test_slug():",
            "def test_slugs():\n    for text, expected in [('A', 'a'), ('B c', 'b-c')]:\n        assert slug(text) == expected\n\n\ndef test_slug():",
        ),
    ),
    bank(
        "pays in steps under unittest",
        (
            "        self.balance -= amount\n",
            "        left = self.balance - amount\n        self.balance = left\n",
        ),
    ),
    bank(
        "joins otherwise under unittest",
        (
            '    return "".join(part[0].upper() for part in name.split())',
            '    letters = [part[0] for part in name.split()]\n    return "".join(letters).upper()',
        ),
    ),
    Change(
        "mends the bug otherwise",
        parts={
            "shop.py": (
                (
                    "    return ordered[len(ordered) // 2]\n",
                    "    low, high = (len(ordered) - 1) // 2, len(ordered) // 2\n    return (ordered[low] + ordered[high]) / 2\n",
                ),
            )
        },
        category="bug_fix",
    ),
    Change(
        "mends the bug with the library",
        parts={
            "shop.py": (
                (
                    "    ordered = sorted(values)\n    return ordered[len(ordered) // 2]\n",
                    "    return statistics.median(values)\n",
                ),
                ("from dataclasses", "import statistics\nfrom dataclasses"),
            )
        },
        category="bug_fix",
    ),
)
"""They contradict no assertion of the base."""

MORE_ASKED: tuple[Change, ...] = (
    Change("adds a dependency", {"requirements.txt": b"rich==13.7.0\n"}),
    Change(
        "calls itself a refactoring and is none",
        parts={"shop.py": (("    return number % 2 == 0", "    return number in (4, 6, 8)"),)},
        category="refactoring",
    ),
    Change(
        "tightens a test and changes another",
        parts={TESTS: (('    assert slug("x") == "x"\n', '    assert slug("x").startswith("x")\n'),)},
    ),
)
"""They contradict what the base says, or a person is to look at them."""
