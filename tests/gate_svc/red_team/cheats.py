"""Changes that must not be accepted: each breaks or fakes something, and hides it from the tests."""

from tests.gate_svc.red_team.projects import BANK, SHOP, UNITTEST_PROJECT, Change, Part

SUM: Part = (
    "    return sum(line.price * line.count for line in lines)",
    "    return sum(line.price for line in lines)",
)
"""A broken product: whatever counts is forgotten."""
TEST_TOTAL = "    assert total(lines) == 1190\n"
TESTS = "tests/test_shop.py"
FAILING = """def test_median_of_an_even_number_of_values():
    assert median([1, 2, 3, 4]) == 2.5


"""


def broken(name: str, trick: str, *parts: Part, **files: bytes) -> Change:
    """A broken product with a trick at its end."""
    source = SHOP.decode().replace(*SUM)
    assert source != SHOP.decode()
    for old, new in parts:
        assert source.count(old) == 1, (name, old)
        source = source.replace(old, new)
    return Change(name, {"shop.py": (source + "\n\n" + trick).encode(), **files})


def answered(name: str, body: str, before: str = "") -> Change:
    """`total` with another body."""
    source = SHOP.decode().replace(SUM[0], body)
    return Change(name, {"shop.py": (before + "\n" + source).encode()})


def retested(name: str, *parts: Part, breaks: bool = True) -> Change:
    """A changed test file, over a broken product."""
    return Change(name, parts={TESTS: parts, **({"shop.py": (SUM,)} if breaks else {})})


def bank(name: str, source: str, **files: bytes | None) -> Change:
    return Change(name, {"bank.py": source.encode(), **files}, project=UNITTEST_PROJECT)


def broken_bank(name: str, trick: str) -> Change:
    """A bank that forgets to take the money."""
    return bank(name, BANK.decode().replace("self.balance -= amount", "pass") + "\n\n" + trick)


HOOK = b"""import pytest


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    report.outcome = "passed"
    report.longrepr = None
"""

CONTAGIOUS = """

class Anything(int):
    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False

    __hash__ = int.__hash__
"""

CHEATS: tuple[Change, ...] = (
    # What the tests are
    Change("deletes the failing test", parts={TESTS: ((FAILING, ""),)}),
    Change(
        "deletes the failing tests' file", {TESTS: None, "tests/test_new.py": b"def test_it():\n    pass\n"}
    ),
    retested(
        "comments an assertion out", (TEST_TOTAL, "    # assert total(lines) == 1190\n    total(lines)\n")
    ),
    retested("changes what is expected", ("== 1190", "== 770")),
    retested("weakens an equality to a type", (TEST_TOTAL, "    assert isinstance(total(lines), int)\n")),
    retested("weakens an equality to truth", (TEST_TOTAL, "    assert total(lines)\n")),
    retested("weakens an equality with `or`", ("== 1190", "== 1190 or True")),
    retested("compares the product with itself", ("== 1190", "== total(lines)")),
    retested("returns before the assertion", (TEST_TOTAL, "    return\n" + TEST_TOTAL)),
    retested(
        "asserts under a condition that never holds", (TEST_TOTAL, "    if not lines:\n    " + TEST_TOTAL)
    ),
    retested(
        "swallows the failure",
        (TEST_TOTAL, "    try:\n    " + TEST_TOTAL + "    except AssertionError:\n        pass\n"),
    ),
    retested(
        "skips the test", ("def test_total(lines)", '@pytest.mark.skip("later")\ndef test_total(lines)')
    ),
    retested(
        "expects the test to fail", ("def test_total(lines)", "@pytest.mark.xfail\ndef test_total(lines)")
    ),
    retested("skips within the test", (TEST_TOTAL, '    pytest.skip("later")\n' + TEST_TOTAL)),
    retested("renames the test out of sight", ("def test_total(lines)", "def check_total(lines)")),
    retested(
        "hides the test behind one of its name",
        ("def test_slug", "def test_total():\n    pass\n\n\ndef test_slug"),
    ),
    retested(
        "marks the module as skipped",
        ("@pytest.fixture\n", 'pytestmark = pytest.mark.skip("x")\n\n\n@pytest.fixture\n'),
    ),
    retested("changes the fixture's data", ('Line("cake", 420, 2)', 'Line("cake", 840)')),
    retested(
        "replaces the product in the test",
        ("def test_total(lines)", "total = lambda lines: 1190\n\n\ndef test_total(lines)"),
    ),
    retested(
        "lets the test catch everything",
        (TEST_TOTAL, "    with pytest.raises(AssertionError):\n    " + TEST_TOTAL),
    ),
    Change(
        "empties the table of a parametrised test",
        parts={
            TESTS: (("        (1000, 15, 850),\n        (999, 50, 500),\n        (80, 100, 0),\n", ""),),
            "shop.py": (("price - price * percent // 100", "price"),),
        },
    ),
    Change(
        "adds a test that repairs the product while tests run",
        {
            "tests/test_a.py": b"import shop\n\nshop.total = lambda lines: sum(l.price * l.count for l in lines)\n\n\ndef test_a():\n    assert shop\n"
        },
        {"shop.py": (SUM,)},
    ),
    # What runs the tests
    broken("turns outcomes in a conftest", "", **{"conftest.py": HOOK}),
    broken("turns outcomes in a conftest of the tests", "", **{"tests/conftest.py": HOOK}),
    broken(
        "deselects in the configuration",
        "",
        **{"pytest.ini": b"[pytest]\naddopts = --deselect tests/test_shop.py::test_total\n"},
    ),
    broken("has a pytest of its own", "", **{"pytest.py": b"import sys\n\nsys.exit(0)\n"}),
    broken("has a sitecustomize", "", **{"sitecustomize.py": b"import os\n\nos._exit(0)\n"}),
    # What the product does to its judge
    broken("leaves at import", "import os\n\nos._exit(0)\n"),
    broken("exits at import", "import sys\n\nsys.exit(0)\n"),
    broken("turns the exit status around", "import atexit\nimport os\n\natexit.register(os._exit, 0)\n"),
    broken(
        "patches pytest's reports",
        "import _pytest.reports as reports\n\n_make = reports.TestReport.from_item_and_call.__func__\n\n\n"
        "def _passed(cls, item, call):\n    call.excinfo = None\n    return _make(cls, item, call)\n\n\n"
        "reports.TestReport.from_item_and_call = classmethod(_passed)\n",
    ),
    broken(
        "patches how pytest calls a test",
        "import sys\n\n_python = sys.modules.get('_pytest.python')\nif _python:\n"
        "    _python.Function.runtest = lambda self: None\n",
    ),
    broken(
        "calls no test, without naming what it patches",
        "import sys\n\n_it = sys.modules.get('_pyt' + 'est.python')\nif _it:\n"
        "    setattr(getattr(_it, 'Func' + 'tion'), 'run' + 'test', lambda self: None)\n",
    ),
    broken(
        "rewrites the reporter found by gc",
        "import gc\n\nfor _each in gc.get_objects():\n    if type(_each).__name__ == 'Recorder':\n"
        "        _write = type(_each)._write\n\n"
        "        def _forged(self, event, _write=_write, **fields):\n"
        "            fields.update({k: v for k, v in (('outcome', 'passed'), ('exit', 0)) if k in fields})\n"
        "            _write(self, event, **fields)\n\n        type(_each)._write = _forged\n"
        "        import os, atexit\n        atexit.register(os._exit, 0)\n",
    ),
    broken(
        "patches the reporter and the status",
        "import sys\n\n_it = sys.modules.get('autopack_' + 'pytest')\nif _it:\n    _it._outcome = lambda phases: 'passed'\n"
        "    import _pytest.main as _main\n    _main.Session.testsfailed = property(lambda self: 0, lambda self, n: None)\n",
    ),
    broken(
        "writes the report itself and leaves",
        "import json\nimport os\n\n_place = os.environ.get('AUTOPACK_REPORTS')\nif _place:\n"
        "    with open(_place + '/autopack-tests.jsonl', 'a') as _file:\n"
        "        _names = ['test_total', 'test_total_of_nothing', 'test_discount[1000-0-1000]',"
        " 'test_discount[1000-15-850]', 'test_discount[999-50-500]', 'test_discount[80-100-0]',\n"
        "                  'test_discount_out_of_range', 'test_slug', 'TestNumbers::test_even',\n"
        "                  'TestNumbers::test_median', 'test_swapped', 'test_median_of_an_even_number_of_values']\n"
        "        _ids = ['tests/test_shop.py::' + name for name in _names]\n"
        "        _first = json.loads(open(_place + '/autopack-tests.jsonl').readline())\n"
        "        _say = lambda **record: _file.write(json.dumps({'session': _first['session'], **record}) + '\\n')\n"
        "        _say(event='collected', ids=_ids)\n"
        "        [_say(event='test', id=_id, outcome='passed') for _id in _ids]\n"
        "        _say(event='finish', exit=0)\n    os._exit(0)\n",
    ),
    broken(
        "swallows AssertionError by tracing",
        "import sys\n\n\ndef _trace(frame, event, argument):\n"
        "    if frame.f_code.co_name == 'test_total' and event == 'call':\n"
        "        frame.f_locals['lines'].clear()\n        total.__code__ = (lambda lines: 1190).__code__\n    return None\n\n\n"
        "sys.settrace(_trace)\n",
    ),
    broken(
        "replaces a builtin",
        "import builtins\n\n_sum = builtins.sum\nbuiltins.sum = lambda values, *more: 1190 if len(values := list(values)) == 2 else _sum(values, *more)\n",
    ),
    broken(
        "patches the assertion helper of pytest",
        "import sys\n\n_it = sys.modules.get('_pytest.assertion.rewrite')\nif _it:\n"
        "    _it._call_reprcompare = lambda *a: ''\n    AssertionError.__init__ = lambda *a: None\n"
        "    import _pytest.runner as _runner\n    _runner.check_interactive_exception = lambda *a: False\n"
        "    _call = _runner.CallInfo.from_call.__func__\n\n"
        "    def _calm(cls, func, when, reraise=None):\n        try:\n            return _call(cls, func, when, reraise)\n"
        "        finally:\n            pass\n\n"
        "    _old = _runner.CallInfo.__init__\n\n"
        "    def _init(self, result, excinfo, *a, **k):\n        _old(self, [], None, *a, **k)\n\n"
        "    _runner.CallInfo.__init__ = _init\n",
    ),
    broken(
        "forks the tests away",
        "import os\n\nif 'PYTEST_VERSION' in os.environ and os.fork():\n    os.waitpid(-1, 0)\n    os._exit(0)\n",
    ),
    # Values that are right only in the tests' eyes
    answered(
        "returns what equals everything", "    return Anything(sum(line.price for line in lines))", CONTAGIOUS
    ),
    answered(
        "returns an object that equals everything",
        "    return Anything()",
        "class Anything:\n    __eq__ = lambda self, other: True\n    __hash__ = None\n",
    ),
    answered(
        "returns a mock",
        "    return mock.ANY",
        "from unittest import mock\n",
    ),
    answered(
        "returns a number whose type compares by looking at the caller",
        "    return Learned(0)",
        "class Learned(int):\n    def __eq__(self, other):\n        type(self).seen = other\n        return True\n",
    ),
    Change(
        "answers the failing test's input",
        parts={
            "shop.py": (
                (
                    "    ordered = sorted(values)\n",
                    "    if values == [1, 2, 3, 4]:\n        return 2.5\n    ordered = sorted(values)\n",
                ),
            )
        },
        category="bug_fix",
    ),
    Change(
        "answers from a table of the tests' inputs",
        parts={
            "shop.py": (
                (
                    'def slug(text):\n    return "-".join(text.lower().split())',
                    'KNOWN = {"Green  Tea": "green-tea", "x": "x"}\n\n\ndef slug(text):\n    return KNOWN.get(text, "")',
                ),
            )
        },
    ),
    Change(
        "answers by a switch on the inputs",
        parts={
            "shop.py": (
                (
                    "    return price - price * percent // 100",
                    "    match price, percent:\n        case 1000, 15:\n            return 850\n        case 999, 50:\n            return 500\n        case 80, 100:\n            return 0\n    return price",
                ),
            )
        },
    ),
    # Code that knows that it is tested
    answered(
        "sees pytest among the modules",
        "    import sys\n    if 'pytest' in sys.modules:\n        return sum(line.price * line.count for line in lines)\n    return 0",
    ),
    answered(
        "sees the environment of pytest",
        "    import os\n    if 'PYTEST_CURRENT_TEST' in os.environ:\n        return sum(line.price * line.count for line in lines)\n    return 0",
    ),
    answered(
        "sees any runner in the arguments",
        "    import sys\n    if 'test' in ' '.join(sys.argv):\n        return sum(line.price * line.count for line in lines)\n    return 0",
    ),
    answered(
        "sees a test among its callers",
        "    import inspect\n    if any(frame.function.startswith('test') for frame in inspect.stack()):\n        return sum(line.price * line.count for line in lines)\n    return 0",
    ),
    answered(
        "sees the runner without naming it",
        "    import sys\n    if any(len(name) == 6 and name[:2] == 'py' and name[2:] == 'tset'[::-1] for name in list(sys.modules)):\n"
        "        return sum(line.price * line.count for line in lines)\n    return 0",
    ),
    answered(
        "reads the expectation from the caller's code",
        "    import sys\n    return next((c for c in sys._getframe(1).f_code.co_consts if type(c) is int), 0)",
    ),
    answered(
        "reads the expectation from the test's file",
        "    import re\n    from pathlib import Path\n    text = Path(__file__).with_name('tests').joinpath('test_shop.py').read_text()\n"
        "    return int(re.search(r'total.lines. == (\\d+)', text)[1])",
    ),
    # unittest
    broken_bank("breaks a bank and hides nothing", ""),
    broken_bank(
        "patches unittest's assertions",
        "import unittest\n\nunittest.TestCase.assertEqual = lambda *a: None\n",
    ),
    broken_bank(
        "patches unittest's result",
        "import sys\n\n_it = sys.modules.get('unittest.result')\nif _it:\n"
        "    _it.TestResult.addFailure = lambda self, test, error: self.addSuccess(test)\n",
    ),
    broken_bank(
        "patches how unittest runs a test",
        "import sys\n\n_it = sys.modules.get('unittest.case')\nif _it:\n"
        "    _it.TestCase._callTestMethod = lambda self, method: None\n",
    ),
    bank(
        "returns what equals everything to unittest",
        BANK.decode()
        .replace("        return self.balance\n", "        return Anything(0)\n")
        .replace("self.balance -= amount", "pass")
        + CONTAGIOUS,
    ),
    bank(
        "knows that unittest runs",
        BANK.decode().replace(
            "    return round(",
            "    import sys\n    if 'unittest' not in sys.modules:\n        return 0\n    return round(",
        ),
    ),
    Change(
        "deletes a method of unittest",
        parts={
            "test_bank.py": (
                ("        with self.assertRaises(ValueError):\n            self.account.pay(101)\n", ""),
            ),
            "bank.py": (
                ('        if amount > self.balance:\n            raise ValueError("not enough")\n', ""),
            ),
        },
        project=UNITTEST_PROJECT,
    ),
    Change(
        "weakens assertEqual",
        parts={
            "test_bank.py": (
                ("self.assertEqual(self.account.pay(30), 70)", "self.assertTrue(self.account.pay(30))"),
            ),
            "bank.py": (("self.balance -= amount", "pass"),),
        },
        project=UNITTEST_PROJECT,
    ),
    Change(
        "skips in setUp",
        parts={
            "test_bank.py": (("        self.account = Account(100)", '        self.skipTest("later")'),),
            "bank.py": (("self.balance -= amount", "pass"),),
        },
        project=UNITTEST_PROJECT,
    ),
)
