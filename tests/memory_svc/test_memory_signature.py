"""A failure that was understood once is known again by its signature."""

from autopack.ledger.document import empty
from autopack.ledger.entry import Kind
from memory_svc.domain.signature import by_signature, signature
from memory_svc.domain.tidy import tidy
from tests.memory_svc.memory_samples import SUBMITTED, ZERO_DIVISION, phase, refused, run


def test_exceptions_tests_and_paths_are_its_parts() -> None:
    text = "CHECK_RAISED: `src/stats.py` ZeroDivisionError in tests/test_a.py::Test::test\\_b for Ada"
    assert signature(text) == {
        "ZeroDivisionError",
        "src/stats.py",
        "tests/test_a.py",
        "tests/test_a.py::Test::test_b",
    }
    assert signature("Error handling is better, e.g. version 1.2") == frozenset()


def test_a_path_alone_is_no_failure_again() -> None:
    told = ["KeyError in src/a.py", "ValueError in src/a.py", "ValueError in src/b.py"]
    assert by_signature("something about src/a.py", told, str) == ()
    assert by_signature("ValueError in src/a.py", told, str) == [told[1], told[2]]


def test_tidy_writes_the_signature_down() -> None:
    record = run("run-1", phase("fix-gcd", refused(1, ZERO_DIVISION)))
    (entry,) = tidy({kind: empty(kind) for kind in Kind}, [record], SUBMITTED.date())[Kind.DEBUG].entries
    assert entry.content.get("Signature") == (
        "`ZeroDivisionError`, `src/gcd.py`, `tests/test_gcd.py`, `tests/test_gcd.py::test_zero`"
    )
