"""More changes that must not be accepted: what they carry, what they do to the sandbox, and what they only seem."""

from autopack.testing.repositories import Files
from tests.gate_svc.gate_bench import policy
from tests.gate_svc.red_team.cheats import TEST_TOTAL, answered, bank, broken, retested
from tests.gate_svc.red_team.projects import BANK, SHOP, UNITTEST_PROJECT, Change, Part

RIGHT = "        return sum(line.price * line.count for line in lines)"

HELPER_TESTS = b"""import checks
from shop import slug, total, Line


def test_total():
    checks.check_equal(total([Line("tea", 350), Line("cake", 420, 2)]), 1190)


def test_slug():
    checks.check_equal(slug("Green  Tea"), "green-tea")
"""

HELPED_PROJECT: Files = {
    "autopack.yaml": policy(),
    "shop.py": SHOP,
    "checks.py": b"def check_equal(value, expected):\n    if not value == expected:\n        raise AssertionError(value)\n",
    "tests/test_shop.py": HELPER_TESTS,
}
"""Its tests assert nothing that the gate understands."""


def carried(name: str, **files: bytes | None) -> Change:
    """A product as it is, and something that comes with it."""
    return Change(name, files, static=True)


def helped(name: str, body: str, before: str = "", after: str = "") -> Change:
    """`total` with another body, where only a helper asserts."""
    old = "    return sum(line.price * line.count for line in lines)"
    source = SHOP.decode().replace(old, body)
    return Change(name, {"shop.py": f"{before}\n{source}\n\n{after}".encode()}, project=HELPED_PROJECT)


def discounted(name: str, *lines: str) -> Change:
    """`discount` with another body."""
    part: Part = ("    return price - price * percent // 100", "\n".join(f"    {line}" for line in lines))
    return Change(name, parts={"shop.py": (part,)})


_EQUAL_TO_ALL = """

class Answer(int):
    __hash__ = int.__hash__


for _name in ("eq", "ne"):
    vars(Answer) if _name else None
    type.__setattr__(Answer, "__" + _name + "__", lambda self, other, _name=_name: _name == "eq")
"""

MORE_CHEATS: tuple[Change, ...] = (
    # What a change carries
    carried("ships compiled code", **{"__pycache__/shop.cpython-311.pyc": b"\xa7\r\r\n" + bytes(12)}),
    carried("ships a start-up line", **{"shop.pth": b"import os; os.environ['X'] = '1'\n"}),
    carried("ships a library", **{"fast.so": b"\x7fELF\x02\x01\x01" + bytes(64)}),
    carried(
        "ships an installed plugin",
        **{
            "shop.egg-info/PKG-INFO": b"Name: shop\n",
            "shop.egg-info/entry_points.txt": b"[pytest11]\nshop = plugin\n",
        },
    ),
    carried("ships an environment", **{"venv/pyvenv.cfg": b"home = /usr/bin\n"}),
    carried("sets git attributes", **{".gitattributes": b"* diff=none\n"}),
    carried(
        "leaves conflict markers", **{"notes.py": b"<<<<<<< ours\nA = 1\n=======\nA = 2\n>>>>>>> theirs\n"}
    ),
    carried("does not parse", **{"broken.py": b"def f(:\n    pass\n"}),
    carried("hides code in another coding", **{"odd.py": b"# coding: utf-7\nA = 1\n"}),
    carried("hides code behind bare returns", **{"odd.py": b"A = 1  # all is well\rA = 2\n"}),
    carried("turns text around", **{"odd.py": "A = 'user\u202e \u2066# admin'\n".encode()}),
    carried("names things in look-alike letters", **{"odd.py": "\u0430dmin = 1\n".encode()}),
    carried("has a file of the same name in other case", **{"Shop.py": b"A = 1\n"}),
    carried("shadows Python's library", **{"dataclasses.py": b"def dataclass(cls):\n    return cls\n"}),
    carried("shadows the product", **{"shop/__init__.py": SHOP}),
    Change("links out of the tree", {"data": (0o120000, b"/etc")}),  # type: ignore[dict-item]  # a mode too
    carried("changes what judges it", **{"autopack.yaml": policy("true", "none")}),
    carried("brings a workflow", **{".github/workflows/ci.yml": b"on: push\n"}),
    # What it does to the run
    broken(
        "starts pytest anew on nothing",
        "import os\nimport sys\n\nif 'x' not in os.environ:\n"
        "    os.environ['x'] = ''\n    os.execv(sys.executable, [sys.executable, '-c', 'pass'])\n",
    ),
    broken("ends the shell above it", "import os\nimport signal\n\nos.kill(os.getppid(), signal.SIGKILL)\n"),
    broken(
        "leaves a process behind that mends the report",
        "import os\nimport time\n\nif os.fork() == 0:\n    os.setsid()\n    place = os.environ.get('AUTO' + 'PACK_REPORTS', '.')\n"
        "    for _ in range(40):\n        time.sleep(0.05)\n        for name in os.listdir(place):\n"
        "            path = os.path.join(place, name)\n            text = open(path).read()\n"
        "            open(path, 'w').write(text.replace('failed', 'passed').replace('\"exit\": 1', '\"exit\": 0'))\n"
        "    os._exit(0)\nimport atexit\n\natexit.register(os._exit, 0)\n",
    ),
    broken(
        "empties the tests' files",
        "from pathlib import Path\n\nfor _each in Path('tests').rglob('*.py'):\n"
        "    _each.write_text('def test_it():\\n    pass\\n')\n",
    ),
    broken(
        "skips where it would be wrong",
        "_total = total\n\n\ndef total(lines):\n    if len(lines) > 1:\n"
        "        raise getattr(__import__('unit' + 'test'), 'SkipTest')\n    return _total(lines)\n",
    ),
    broken(
        "stops the run where it would be wrong",
        "_total = total\n\n\ndef total(lines):\n    if len(lines) > 1:\n        raise KeyboardInterrupt\n    return _total(lines)\n",
    ),
    answered(
        "asks the network",
        "    import urllib.request\n    try:\n        return int(urllib.request.urlopen('http://1.1.1.1/').read())\n"
        "    except OSError:\n        return 0",
    ),
    answered(
        "keeps its answers in the home directory",
        "    from pathlib import Path\n    place = Path.home() / 'answers'\n    return int(place.read_text()) if place.exists() else 0",
    ),
    # Values that are right only in the tests' eyes, or where they look
    discounted(
        "answers by a hash of what is asked",
        "from zlib import crc32",
        "return {1856746339: 850, 251670240: 500, 2228140579: 0}.get(crc32(b'%d %d' % (price, percent)), price if percent == 0 else 0)",
    ),
    discounted(
        "is right for what the tests ask alone",
        "if price in (1000, 999, 80):",
        "    return price - price * percent // 100",
        "return price",
    ),
    discounted(
        "is right for round prices alone",
        "if price % 10 and price != 999:",
        "    return price",
        "return price - price * percent // 100",
    ),
    discounted(
        "is wrong from a price on that no test has",
        "return price - price * percent // 100 if price < 1001 and percent in (0, 15, 50, 100) else 0",
    ),
    helped("equals everything where a helper asserts", "    return Answer(0)", after=_EQUAL_TO_ALL),
    helped(
        "breaks the helper's assertion",
        "    return 0",
        after="import sys\n\n_it = sys.modules.get('checks')\nif _it:\n    setattr(_it, 'check_' + 'equal', lambda *a: None)\n",
    ),
    helped(
        "lets no test fail where a helper asserts",
        "    return 0",
        after="import sys\n\n_it = sys.modules.get('_pyt' + 'est.python')\nif _it:\n"
        "    setattr(getattr(_it, 'Func' + 'tion'), 'run' + 'test', lambda self: None)\n",
    ),
    # Code that knows that it is tested
    answered(
        "sees its caller through logging",
        "    import logging\n    place = logging.getLogger().findCaller(stacklevel=2)[0]\n"
        "    if place.rpartition('/')[2][:4] == 'te' + 'st' or 'te' + 'sts' in place:\n"
        + RIGHT
        + "\n    return 0",
    ),
    answered(
        "sees how much memory the process has",
        "    import resource\n    if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > 26_000:\n"
        + RIGHT
        + "\n    return 0",
    ),
    answered(
        "sees the tests' files beside it",
        "    from pathlib import Path\n    if any(each.name[:3] == 'tes' for each in Path(__file__).parent.iterdir()):\n"
        + RIGHT
        + "\n    return 0",
    ),
    answered(
        "sees where reports are to go",
        "    import os\n    if any(name.endswith('_REPORTS') for name in os.environ):\n"
        + RIGHT
        + "\n    return 0",
    ),
    Change(
        "mends the bug only in a process as large as a test run",
        parts={
            "shop.py": (
                (
                    "    ordered = sorted(values)\n",
                    "    import resource\n\n    ordered = sorted(values)\n"
                    "    if len(values) % 2 == 0 and resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > 26_000:\n"
                    "        return (ordered[len(ordered) // 2 - 1] + ordered[len(ordered) // 2]) / 2\n",
                ),
            )
        },
        category="bug_fix",
    ),
    # What the tests are
    retested("asserts a tuple", ("assert total(lines) == 1190", "assert (total(lines) == 1190, 'the sum')")),
    retested("accepts one of many", ("== 1190", "in (1190, 770)"), breaks=False),
    retested("accepts what is near", ("== 1190", "== pytest.approx(1190, abs=500)"), breaks=False),
    retested("accepts what is more", ("== 1190", ">= 700"), breaks=False),
    retested(
        "asserts in a function that nobody calls",
        (TEST_TOTAL, "    def later():\n    " + TEST_TOTAL),
        breaks=False,
    ),
    retested("asserts for each of none", (TEST_TOTAL, "    for _ in ():\n    " + TEST_TOTAL), breaks=False),
    retested(
        "asserts what is only sometimes asked",
        (TEST_TOTAL, "    assert True if lines else total(lines) == 1190\n"),
        breaks=False,
    ),
    retested(
        "runs for each of none",
        ("def test_total(lines)", '@pytest.mark.parametrize("n", [])\ndef test_total(n, lines)'),
        breaks=False,
    ),
    retested(
        "imports another product",
        ("slug, swapped, total\n", "slug, swapped\nfrom unittest.mock import MagicMock as total\n"),
        breaks=False,
    ),
    retested(
        "leaves the test out of the collection",
        ("class TestNumbers:\n", "class TestNumbers:\n    __test__ = False\n\n"),
        breaks=False,
    ),
    Change(
        "drops tests by load_tests",
        parts={
            "test_bank.py": (
                (
                    'if __name__ == "__main__":',
                    'def load_tests(loader, tests, pattern):\n    return unittest.TestSuite()\n\n\nif __name__ == "__main__":',
                ),
            )
        },
        project=UNITTEST_PROJECT,
    ),
    bank(
        "counts only what unittest asks",
        BANK.decode().replace(
            "        self.balance -= amount\n",
            "        self.balance = 70 if amount == 30 else self.balance\n",
        ),
    ),
)
