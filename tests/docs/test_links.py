"""The documentation holds together: links resolve, and docs/INDEX.md leads to every page."""

import re
from pathlib import Path

import pytest

from autopack.ledger.derived import HUB_PATH, render_hub
from autopack.ledger.document import parse
from autopack.ledger.entry import LEDGERS

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
_FENCED = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\]\(<?([^)\s>]+)>?\)")
_ANCHOR = re.compile(r'<a id="([^"]+)">')
_HEADING = re.compile(r"^#+ +(.+?) *#*$", re.MULTILINE)


def _prose(page: Path) -> str:
    return _FENCED.sub("", page.read_text())


def _links(page: Path) -> list[str]:
    targets: list[str] = _LINK.findall(_CODE.sub("", _prose(page)))
    return [target for target in targets if not re.match(r"[a-z][a-z+.-]*:", target)]


def _anchors(page: Path) -> set[str]:
    """As forges make them from headings, and those written out."""
    text = _prose(page)
    headings = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in _HEADING.findall(text))
    return {heading.replace(" ", "-") for heading in headings} | set(_ANCHOR.findall(text))


def _faults(page: Path) -> list[str]:
    faults = []
    for link in _links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.is_relative_to(ROOT) or not target.exists():
            faults.append(f"{link}: there is no such file")
        elif anchor and target.suffix == ".md" and anchor not in _anchors(target):
            faults.append(f"{link}: there is no such heading")
    return faults


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_relative_link_resolves(page: Path) -> None:
    assert _faults(page) == []


def test_a_dead_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("[a](nowhere.md) [b](#nothing) [c](https://example.org) `[d](code.md)`\n")
    assert _links(page) == ["nowhere.md", "#nothing"]
    assert len(_faults(page)) == 2


def test_the_index_leads_to_every_page() -> None:
    hub = ROOT / HUB_PATH
    linked = {(hub.parent / link.partition("#")[0]).resolve() for link in _links(hub)}
    assert [page.name for page in PAGES if page.resolve() not in linked | {hub}] == []


def test_the_index_says_what_the_ledgers_say() -> None:
    ledgers = {kind: parse(kind, (ROOT / about.path).read_text()) for kind, about in LEDGERS.items()}
    text = (ROOT / HUB_PATH).read_text()
    assert render_hub(text, ledgers) == text
