"""Parts of the builder `model` by themselves: imports that are found, results that are left out, money."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopack.chat.conversation import Answered, Results, Said, ToolCall, ToolResult, Turn
from autopack.policy.prices import Price
from builder_svc.builders.model.imports import imported
from builder_svc.builders.model.shortening import LEFT_OUT, shortened
from builder_svc.domain.builder import Allowance
from builder_svc.domain.money import within_money

KNOWN = {
    "src/pkg/__init__.py",
    "src/pkg/a.py",
    "src/pkg/b/c.py",
    "src/other.py",
    "top.py",
    "web/lib/x.ts",
    "web/lib/index.js",
    "native/f.h",
    "include/g.h",
}


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        ("src/pkg/m.py", "from . import a", ["src/pkg/a.py"]),
        ("src/pkg/m.py", "from .b.c import thing", ["src/pkg/b/c.py"]),
        ("src/pkg/b/m.py", "from ..a import x, y", ["src/pkg/a.py", "src/pkg/a.py"]),
        ("tests/t.py", "import pkg.b.c, other, json", ["src/pkg/b/c.py", "src/other.py"]),
        ("tests/t.py", "from pkg import nothing", ["src/pkg/__init__.py"]),
        ("src/pkg/m.py", "import top", ["top.py"]),
        ("src/pkg/m.py", "from ...... import a", []),
        ("src/pkg/m.py", "import ((", []),
        ("web/app.ts", "import { x } from './lib/x'", ["web/lib/x.ts"]),
        ("web/app.ts", 'const y = require("./lib")', ["web/lib/index.js"]),
        ("native/f.c", '#include "f.h"\n# include <g.h>\n#include <stdio.h>', ["native/f.h", "include/g.h"]),
        ("web/app.ts", "import '../../../etc/passwd'", []),
    ],
)
def test_what_a_file_imports_is_found_in_the_repository(path: str, text: str, found: list[str]) -> None:
    assert list(imported(path, text, KNOWN)) == found


@given(st.sampled_from(["a.py", "x/a.ts"]), st.text(alphabet="from import.\"'/(){}\n ab", max_size=200))
def test_nothing_but_files_of_the_repository_is_ever_found(path: str, text: str) -> None:
    assert set(imported(path, text, KNOWN)) <= KNOWN


def test_the_oldest_results_are_left_out_first_and_the_last_never() -> None:
    turns: list[Turn] = [Said("goal")]
    for number in range(3):
        turns += [
            Answered("", (ToolCall(str(number), "read", "{}"),)),
            Results((ToolResult(str(number), "x" * 100),)),
        ]

    def texts(room: int) -> list[str]:
        kept = shortened(turns, room)
        assert len(kept) == len(turns)
        return [result.text for turn in kept if isinstance(turn, Results) for result in turn.results]

    assert texts(300) == ["x" * 100] * 3
    assert texts(299) == [LEFT_OUT, "x" * 100, "x" * 100]
    assert texts(0) == [LEFT_OUT, LEFT_OUT, "x" * 100]


@given(st.floats(0.001, 100), st.floats(0, 1000), st.floats(0, 1000), st.floats(0, 1))
def test_tokens_within_money_never_cost_more_whichever_way_they_go(
    usd: float, inwards: float, outwards: float, share: float
) -> None:
    price = Price(inwards, outwards)
    left = within_money(Allowance(60, 1_000_000, usd), price)
    asked = int(left.tokens * share)
    assert price.usd(asked, left.tokens - asked) <= usd * (1 + 1e-9)
    assert within_money(Allowance(60, 1_000_000, None), price).tokens == 1_000_000
