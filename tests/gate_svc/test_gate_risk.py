"""The score is deterministic, reachable, explained, and never falls when something bad is added."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopack.policy.policy import DEFAULT_POLICY
from gate_svc.domain.change import ChangedFile, net_deletion
from gate_svc.domain.facts import categories, risk_facts
from gate_svc.domain.risk import RiskFacts, assess

facts = st.builds(
    RiskFacts,
    added_lines=st.integers(0, 3000),
    deleted_lines=st.integers(0, 3000),
    net_deleted_lines=st.integers(0, 3000),
    product_lines=st.integers(0, 3000),
    tests_changed=st.booleans(),
    critical_paths=st.lists(st.sampled_from(["auth/a.py", "deploy/b", "crypto/c"]), unique=True).map(tuple),
    categories=st.lists(st.sampled_from(["dependency", "ci", "feature"]), unique=True).map(tuple),
    licence_changed=st.booleans(),
    findings=st.lists(st.sampled_from(["low", "medium", "high", "critical"]), max_size=5).map(tuple),
)


def test_a_change_of_which_nothing_is_known_scores_zero() -> None:
    assert assess(RiskFacts()).score == 0
    assert assess(RiskFacts()).level == "low"


@pytest.mark.parametrize(("lines", "points"), [(200, 0), (201, 10), (501, 20), (1001, 25)])
def test_size_scores_by_steps(lines: int, points: int) -> None:
    assert assess(RiskFacts(added_lines=lines)).score == points


@pytest.mark.parametrize(("net", "points"), [(100, 0), (101, 20), (201, 40), (1001, 60)])
def test_net_deletion_scores_by_steps(net: int, points: int) -> None:
    found = assess(RiskFacts(net_deleted_lines=net))
    assert sum(factor.points for factor in found.factors if factor.name == "net_deletion") == points


def test_critical_paths_score_each_up_to_their_maximum() -> None:
    assert assess(RiskFacts(critical_paths=("a",))).score == 15
    assert assess(RiskFacts(critical_paths=("a", "b", "c"))).score == 30


def test_code_without_a_test_scores_and_with_one_does_not() -> None:
    assert assess(RiskFacts(product_lines=51)).score == 20
    assert assess(RiskFacts(product_lines=51, tests_changed=True)).score == 0


def test_every_level_and_the_whole_scale_can_be_reached() -> None:
    worst = RiskFacts(
        deleted_lines=2000,
        net_deleted_lines=2000,
        product_lines=2000,
        critical_paths=("a", "b"),
        categories=("security_auth_change",),
        licence_changed=True,
        findings=("critical",),
    )
    assert assess(worst).score == 100
    assert assess(worst).level == "high"
    assert assess(RiskFacts(deleted_lines=150, net_deleted_lines=150)).level == "low"
    assert assess(RiskFacts(deleted_lines=300, net_deleted_lines=300)).level == "high"
    assert assess(RiskFacts(critical_paths=("a", "b"))).level == "medium"


def test_a_severity_that_nobody_knows_counts_as_the_worst() -> None:
    assert assess(RiskFacts(findings=("odd",))).score == assess(RiskFacts(findings=("critical",))).score


@given(facts)
def test_the_score_is_the_sum_of_its_factors_within_its_bounds(each: RiskFacts) -> None:
    found = assess(each)
    assert found.score == min(100, sum(factor.points for factor in found.factors))
    assert all(factor.points > 0 and factor.detail for factor in found.factors)
    assert assess(each) == found


@given(facts, st.data())
def test_adding_a_risk_factor_never_lowers_the_score(each: RiskFacts, data: st.DataObject) -> None:
    worse = data.draw(
        st.sampled_from(
            [
                replace(each, added_lines=each.added_lines + 150),
                replace(each, deleted_lines=each.deleted_lines + 150),
                replace(each, net_deleted_lines=each.net_deleted_lines + 150),
                replace(each, product_lines=each.product_lines + 60),
                replace(each, tests_changed=False),
                replace(each, critical_paths=(*each.critical_paths, "secrets/x")),
                replace(each, categories=(*each.categories, "schema_change")),
                replace(each, licence_changed=True),
                replace(each, findings=(*each.findings, "low")),
            ]
        )
    )
    assert assess(worse).score >= assess(each).score


LINES = [f"line {number}" for number in range(6)]
contents = st.none() | st.lists(st.sampled_from(LINES), max_size=8).map(
    lambda lines: "\n".join(lines).encode()
)


@st.composite
def changes(draw: st.DrawFn) -> list[ChangedFile]:
    """Files by path, each with its contents before and after."""
    paths = draw(st.lists(st.sampled_from(["a.py", "auth/b.py", "Dockerfile", "LICENSE"]), unique=True))
    return [a_file(path, draw(contents), draw(contents)) for path in paths]


def a_file(path: str, old: bytes | None, new: bytes | None) -> ChangedFile:
    old_mode, new_mode = (0 if each is None else 0o100644 for each in (old, new))
    return ChangedFile(path, old_mode, new_mode, old, new)


def score(files: list[ChangedFile]) -> int:
    found = categories([file.path for file in files], (), DEFAULT_POLICY, "feature")
    return assess(risk_facts(files, found, DEFAULT_POLICY, ())).score


@given(changes(), st.integers(0, 400), st.sampled_from(["new.py", "auth/new.py", ".env", "requirements.txt"]))
def test_more_new_text_never_lowers_the_score(files: list[ChangedFile], lines: int, path: str) -> None:
    """Else a deletion could be made up for by padding another file."""
    padding = "\n".join(f"padding {number}" for number in range(lines)).encode()
    assert score([*files, a_file(path, None, padding)]) >= score(files)


@given(changes(), st.integers(0, 1500))
def test_a_deleted_file_never_lowers_the_score(files: list[ChangedFile], lines: int) -> None:
    gone = "\n".join(f"gone {number}" for number in range(lines)).encode()
    assert score([*files, a_file("old.py", gone, None)]) >= score(files)


def test_what_moves_between_files_is_not_deleted() -> None:
    text = b"".join(b"    line %d\n" % number for number in range(300))
    unindented = text.replace(b"    ", b"")
    moved = [a_file("a.py", text, None), a_file("b.py", None, unindented)]
    assert net_deletion(moved) == 0
    assert net_deletion([moved[0]]) == 300
    assert net_deletion([moved[0], a_file("c.py", None, b"".join(b"%d\n" % n for n in range(300)))]) == 300
    assert net_deletion([a_file("a.py", text, b"".join(b"%d\n" % n for n in range(300)))]) == 0


def test_a_deletion_is_not_made_up_for_by_what_moves_in() -> None:
    own, others = (b"".join(b"%s %d\n" % (name, n) for n in range(200)) for name in (b"own", b"other"))
    assert net_deletion([a_file("a.py", own, others), a_file("b.py", others, None)]) == 200


def test_a_file_too_large_to_be_read_counts_as_gone() -> None:
    assert net_deletion([ChangedFile("a", 0o100644, 0, None, None)]) > 1000


def test_every_point_of_the_score_is_explained() -> None:
    files = [
        a_file("auth/a.py", b"".join(b"%d\n" % n for n in range(300)), None),
        a_file("requirements.txt", b"", b"a==1\n"),
        a_file("LICENSE", b"MIT\n", b"none\n"),
    ]
    found = categories([file.path for file in files], (), DEFAULT_POLICY, "feature")
    risk = assess(risk_facts(files, found, DEFAULT_POLICY, ("medium",)))
    assert [(factor.name, factor.points) for factor in risk.factors] == [
        ("size", 10),
        ("net_deletion", 40),
        ("critical_paths", 15),
        ("category_dependency", 15),
        ("missing_tests", 20),
        ("licence", 10),
        ("findings", 8),
    ]
