"""What is new in a change, however its lines moved."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from auditor_svc.domain.findings import Detection, Severity, findings_digest
from auditor_svc.domain.fingerprints import evidence, introduced, mask_literals

Make = Callable[..., Detection]


def _detection(text: str, line: int, path: str = "app.py", rule: str = "B307") -> Detection:
    return Detection("bandit", rule, Severity.MEDIUM, "Use of eval", path, line, line, text, text)


def test_what_only_the_head_has_is_introduced(detection: Make) -> None:
    assert [item.line for item in introduced([detection(line=4)], [])] == [4]


def test_what_moved_to_another_line_is_not_introduced(detection: Make) -> None:
    assert introduced([detection(line=90)], [detection(line=4)]) == ()


def test_another_rule_on_the_same_line_is_introduced(detection: Make) -> None:
    found = introduced([detection(), detection(rule_id="B102")], [detection()])
    assert [item.rule_id for item in found] == ["B102"]


def test_the_same_line_in_another_file_is_introduced(detection: Make) -> None:
    assert len(introduced([detection(path="b.py")], [detection(path="a.py")])) == 1


def test_a_second_occurrence_of_a_known_line_is_introduced(detection: Make) -> None:
    found = introduced([detection(line=1), detection(line=9)], [detection(line=5)])
    assert [item.line for item in found] == [9]


def test_occurrences_of_one_line_have_different_fingerprints(detection: Make) -> None:
    found = introduced([detection(line=1), detection(line=2)], [])
    assert len({item.fingerprint for item in found}) == 2


def test_a_fingerprint_does_not_depend_on_the_line(detection: Make) -> None:
    first, second = introduced([detection(line=1)], []), introduced([detection(line=70)], [])
    assert first[0].fingerprint == second[0].fingerprint


def test_a_fingerprint_depends_on_path_and_rule(detection: Make) -> None:
    items = [detection(), detection(path="b.py"), detection(rule_id="B102")]
    assert len({introduced([item], [])[0].fingerprint for item in items}) == 3


def test_a_fingerprint_holds_nothing_of_a_secret_but_tells_it_is_new() -> None:
    old = Detection("secrets", "token", Severity.HIGH, "A token", "a.py", 1, 1, 'k="one"', 'k=""')
    new = Detection("secrets", "token", Severity.HIGH, "A token", "a.py", 1, 1, 'k="two"', 'k=""')
    [replaced] = introduced([new], [old])
    [other] = introduced([old], [])
    assert replaced.fingerprint == other.fingerprint


def test_evidence_is_the_same_after_reformatting() -> None:
    one = ["subprocess.run(command, shell=True)"]
    many = ["    subprocess.run(", "        command,", "        shell=True)"]
    assert evidence(one, 1, 1) == evidence(many, 1, 3)


def test_evidence_changes_with_an_argument_on_a_later_line() -> None:
    safe = ["subprocess.run(", "    'ls',", "    shell=True)"]
    unsafe = ["subprocess.run(", "    command,", "    shell=True)"]
    assert evidence(safe, 1, 3) != evidence(unsafe, 1, 3)


def test_masking_takes_the_words_of_literals() -> None:
    assert mask_literals("""f(a="one", b='two', c='''three''')""") == """f(a="", b='', c='''''')"""


def test_the_findings_digest_does_not_depend_on_order(detection: Make) -> None:
    found = introduced([detection(line=1), detection(line=2, path="b.py")], [])
    assert findings_digest(found) == findings_digest(found[::-1])


_DETECTIONS = st.lists(
    st.builds(_detection, st.sampled_from(["a", "b", "c"]), st.integers(1, 50), st.sampled_from(["x", "y"])),
    max_size=20,
)


@given(_DETECTIONS, _DETECTIONS)
def test_as_many_are_introduced_as_the_head_has_more(new: list[Detection], old: list[Detection]) -> None:
    def count(items: list[Detection], text: str, path: str) -> int:
        return sum((item.evidence, item.path) == (text, path) for item in items)

    expected = sum(max(count(new, text, path) - count(old, text, path), 0) for text in "abc" for path in "xy")
    assert len(introduced(new, old)) == expected


@given(_DETECTIONS)
def test_nothing_is_introduced_by_no_change(items: list[Detection]) -> None:
    assert introduced(items, items[::-1]) == ()
