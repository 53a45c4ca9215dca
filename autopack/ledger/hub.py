"""`docs/INDEX.md`: where everything is, with a generated table of the ledgers."""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from autopack.ledger.document import INDEX_END, INDEX_START, Ledger, cell
from autopack.ledger.entry import LEDGERS, Kind

HUB_PATH = "docs/INDEX.md"
_BLOCK = re.compile(rf"^{INDEX_START}\n.*?^{INDEX_END}\n", re.MULTILINE | re.DOTALL)
_START = "# Index\n\nWhere to find what.\n\n"


def render_hub(old: str | None, ledgers: Mapping[Kind, Ledger]) -> str:
    """The hub with its table brought up to the ledgers; what people wrote around the table stays."""
    rows = ["| Ledger | Entries | Latest |\n", "| --- | --- | --- |\n"]
    for kind, about in LEDGERS.items():
        name = PurePosixPath(about.path).name
        entries = ledgers[kind].entries
        latest = ""
        if entries:
            entry = entries[-1]
            link = f"[{entry.entry_id}]({name}#{entry.entry_id.lower()})"
            latest = f"{entry.date.isoformat()} {link} {cell(entry.content.title)}"
        rows.append(f"| [{about.heading}]({name}): {about.purpose} | {len(entries)} | {latest} |\n")
    table = f"{INDEX_START}\n{''.join(rows)}{INDEX_END}\n"
    text = old or _START
    if _BLOCK.search(text):
        return _BLOCK.sub(lambda _: table, text, count=1)
    return text.rstrip("\n") + "\n\n" + table
