"""What a test file does to others when it is imported is no harmless change of the judge."""

import pytest

from gate_svc.domain.test_diff.compare import losses

BASE = "import pytest\nfrom shop import total\n\n\ndef test_a():\n    assert total([1]) == 1\n"


@pytest.mark.parametrize(
    "more",
    [
        "from fakes import *",
        "x: int = setattr(pytest, 'x', 1)",
        "def f(a=__import__('os')._exit(0)):\n    pass",
        "A = [x() for x in (lambda: setattr(pytest, 'a', 1),)]",
        "class A(metaclass=M):\n    pass",
        "class A:\n    pytest.skip = None",
        "@(total := lambda f: f)\ndef g():\n    pass",
        "def load_tests(loader, tests, pattern):\n    return tests",
    ],
)
def test_it_is_found_in_what_looks_idle(more: str) -> None:
    assert losses({"tests/test_a.py": BASE.encode()}, {"tests/test_a.py": f"{BASE}\n\n{more}\n".encode()})


@pytest.mark.parametrize(
    "more",
    [
        "ROWS = [(1, 2), (3, 4)]",
        "NAMES = sorted(set(['b', 'a']))",
        "import re\nPATTERN = re.compile('a+')",
        "from unittest import mock\n\n\n@mock.patch('shop.total')\ndef test_b(a):\n    assert a() is None",
        "BY_LAST = sorted(['ba', 'ab'], key=lambda text: list(text).pop())",
        "MARK = pytest.mark.skipif(len(vars(pytest)) < 3, reason='small')",
        "def helper(a, b=3):\n    setattr(a, 'b', b)",
        "class Thing:\n    size = 3\n\n    def grow(self):\n        self.size += 1",
        "from shop import slug\n\n\ndef test_b():\n    assert slug('a') == 'a'",
    ],
)
def test_what_is_idle_is_harmless(more: str) -> None:
    assert not losses({"tests/test_a.py": BASE.encode()}, {"tests/test_a.py": f"{BASE}\n\n{more}\n".encode()})
