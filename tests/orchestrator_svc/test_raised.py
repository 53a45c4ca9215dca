"""What a check complained of becomes a reason that builder and memory can act upon."""

from autopack.errors import Reason
from orchestrator_svc.domain.raised import raised

OUTPUT = """\
    def mean(values):
>       return sum(values) / len(values)
E       ZeroDivisionError: division by zero

src/stats.py:3: ZeroDivisionError
=========================== short test summary info ============================
FAILED tests/test_stats.py::test_mean_of_nothing - ZeroDivisionError: division by zero
1 failed in 0.03s
"""


def test_the_exception_is_found_at_the_end_of_a_checks_output() -> None:
    assert list(raised("tests", OUTPUT)) == [
        Reason(
            "CHECK_RAISED",
            "check tests: ZeroDivisionError: division by zero",
            "mend its cause",
            "src/stats.py",
            3,
        )
    ]
    assert list(raised("tests", "no exception at all\nErrors: none\n")) == []
    assert len(list(raised("tests", "".join(f"A{n}Error: x\n" for n in range(9))))) == 3
    (escaping,) = raised("tests", "../../etc/x.py:3: OSError\nOSError: gone\n")
    assert escaping.path == ""
