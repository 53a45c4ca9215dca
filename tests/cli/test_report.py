"""The page of a run: whole, self-contained, and whatever is in it stays words."""

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from autopack.api.orchestrator.v1 import run_pb2
from autopack.cli.documents import run_document
from autopack.cli.page import page
from tests.cli.test_trace_output import span

VOID = {"meta", "br"}
ALLOWED = {
    *("html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "table", "tr", "th", "td", "code"),
    *("span", "p", "pre", "ul", "li", "em", "a", "details", "summary", "small", "div", "i", "br"),
}


class Page(HTMLParser):
    """What is on a page: elements, all closed, their attributes, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[tuple[str, str | None]] = set()
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= set(attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def run_with(words: str) -> run_pb2.Run:
    run = run_pb2.Run(run_id="r1", plan_name=words, state=run_pb2.RUN_STATE_FAILED)
    phase = run.phases.add(phase_id=words, state=run_pb2.PHASE_STATE_FAILED)
    phase.reasons.add(code="CHECK_FAILED", message=words, fix=words, path=words, line=3)
    phase.attempts.add(number=1).reasons.add(code="CHECK_FAILED", message=words)
    check = phase.verdict.checks.add(name=words, run=words, output_tail=words)
    check.new_failures.append(words)
    phase.verdict.risk.factors.add(name=words, detail=words)
    phase.approval.digest = words
    return run


HOSTILE = ("<script>x</script>", '"><img src=x onerror=y>', "'</pre>{{7*7}}{% x %}", "\x1b[31m")


@given(st.text() | st.sampled_from(HOSTILE))
def test_whatever_stands_in_a_run_stays_text(words: str) -> None:
    spans = [span("a", attributes={"autopack.phase_id": words})]
    found = Page(page(run_document(run_with(words), {}), {words: f"+{words}"}, spans))
    assert found.open == []
    assert found.tags <= ALLOWED
    names = {name for name, _ in found.attributes}
    assert names <= {"lang", "charset", "http-equiv", "content", "name", "class", "id", "href", "style"}
    assert all(value and value.startswith("#phase-") for name, value in found.attributes if name == "href")
    assert "\x1b" not in found.text


def test_a_run_that_has_not_begun_has_a_page() -> None:
    found = Page(page(run_document(run_pb2.Run(run_id="r1"), {}), {}, []))
    assert "r1" in found.text
