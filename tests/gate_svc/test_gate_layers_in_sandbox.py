"""What must fail does, in the run that judges, and the verdict tells mutants and how each test was seen."""

from autopack.api.gate.v1 import verdict_pb2
from autopack.cli.documents import check_document
from autopack.signing.document import parse
from autopack.testing.repositories import Files
from tests.gate_svc.gate_bench import ACCEPT, NEEDS_APPROVAL, Bench, codes, policy

PRODUCT = b"def least(a, b):\n    return a if a < b else b\n\n\ndef shout(text):\n    return text.upper()\n"
CHANGED = PRODUCT.replace(b"return a if a < b else b", b"if b > a:\n        return a\n    return b")
TESTS = (
    b"import checks\nfrom product import least, shout\n\n\ndef test_least():\n    assert least(1, 2) == 1\n"
    b"    assert least(5, 3) == 3\n\n\ndef test_shout():\n    checks.looks_like(shout('a'), 'A')\n"
)


def project(more: str = "") -> Files:
    return {
        "autopack.yaml": policy(more=more),
        "product.py": PRODUCT,
        "checks.py": b"def looks_like(a, b):\n    if a != b:\n        raise AssertionError\n",
        "tests/test_product.py": TESTS,
    }


async def test_the_verdict_shows_mutants_their_seed_and_how_each_test_was_seen(bench: Bench) -> None:
    base = project()
    request = bench.change(base, {**base, "product.py": CHANGED})
    judgement = await bench.judgement(request)
    verdict = judgement.verdict
    assert verdict.decision == ACCEPT, verdict.reasons
    shown = check_document(verdict.checks[0])
    assert shown["tests"]["seen"] == {
        "tests/test_product.py::test_shout": "self_reported",
        "tests/test_product.py::test_least": "blind",
    }
    assert (shown["tests"]["blind"], shown["tests"]["self_reported"]) == (1, 1)
    mutants = shown["mutants"]
    assert mutants["possible"] > 0
    assert mutants["killed"] > 0
    assert (shown["changed_lines"], shown["reached_lines"]) == (3, 3)
    (recorded,) = parse(judgement.record, "record")["machine"]["checks"]
    assert recorded["mutants"]["seed"] == mutants["seed"]
    assert len(bytes.fromhex(mutants["seed"])) == 32

    again = await bench.judge(base, {**base, "product.py": CHANGED})
    assert check_document(again.checks[0])["mutants"] == mutants


async def test_a_policy_can_ask_for_mutants_that_no_test_notices(bench: Bench) -> None:
    weak = b"from product import least\n\n\ndef test_least():\n    assert least(1, 1) == 1\n"
    base = {**project("judge: {probe: {survivors: ask}}\n"), "tests/test_product.py": weak}
    verdict = await bench.judge(base, {**base, "product.py": CHANGED})
    assert verdict.decision == NEEDS_APPROVAL
    assert "MUTANTS_SURVIVED" in codes(verdict)


async def test_nothing_is_asked_where_the_policy_gives_no_time_or_nothing_is_python(bench: Bench) -> None:
    base = project("judge: {probe: {seconds: 0}}\n")
    for changed in ({"product.py": CHANGED}, {"README.md": b"# Product\n"}):
        verdict: verdict_pb2.Verdict = await bench.judge(base, {**base, **changed})
        assert verdict.decision == ACCEPT
        assert not verdict.checks[0].HasField("probe")
