"""Relative links of Markdown pages, and whether they lead anywhere."""

import posixpath
import re
from collections.abc import Callable, Collection, Iterator

_LINK = re.compile(r"\]\(<?([^)\s>]+)>?\)")
_CODE = re.compile(r"`[^`\n]*`")
_FENCE = re.compile(r"(```|~~~)")
_ANCHOR = re.compile(r'<a id="([^"]+)">')
_HEADING = re.compile(r"#+ +(.+?) *#*")
_ADDRESS = re.compile(r"[a-z][a-z+.-]*:")


def dead_links(
    pages: Collection[str], read: Callable[[str], str | None], exists: Callable[[str], bool]
) -> Iterator[tuple[str, int, str]]:
    """Page, line and what is wrong, for each link of the pages that leads nowhere."""
    texts = {page: read(page) or "" for page in pages}
    anchors: dict[str, set[str]] = {}
    for page in sorted(texts):
        for number, link in _links(texts[page]):
            path, _, anchor = link.partition("#")
            target = posixpath.normpath(posixpath.join(posixpath.dirname(page), path)) if path else page
            if target.startswith("../") or not exists(target):
                yield page, number, f"{link}: there is no such file"
            elif anchor and target.endswith(".md"):
                if target not in anchors:
                    anchors[target] = _anchors(texts[target] if target in texts else read(target) or "")
                if anchor not in anchors[target]:
                    yield page, number, f"{link}: there is no such heading"


def _prose(text: str) -> Iterator[tuple[int, str]]:
    """Lines outside fences, with their numbers."""
    fence = ""
    for number, line in enumerate(text.split("\n"), start=1):
        found = _FENCE.match(line)
        if found and fence in ("", found[1]):
            fence = "" if fence else found[1]
        elif not fence:
            yield number, line


def _links(text: str) -> Iterator[tuple[int, str]]:
    for number, line in _prose(text):
        if "](" in line:
            for link in _LINK.findall(_CODE.sub("", line)):
                if not _ADDRESS.match(link):
                    yield number, link


def _anchors(text: str) -> set[str]:
    """As forges make them from headings, and those written out."""
    found = set(_ANCHOR.findall(text))
    for _, line in _prose(text):
        if line.startswith("#") and (heading := _HEADING.fullmatch(line)):
            found.add(re.sub(r"[^\w\- ]", "", heading[1].lower()).replace(" ", "-"))
    return found
