"""The builder `repair`: finds a change in scope that makes failing checks pass, or says there is none."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

import pytest

from autopack.api.builder.v1 import build_pb2
from autopack.api.plan.v1 import plan_pb2
from autopack.sandbox import probe
from builder_svc.config import Config
from tests.builder_svc.builder_harness import Client, Owner, failure, running_builder

REPAIR = plan_pb2.BuilderSpec(repair=plan_pb2.RepairBuilder())
POLICY = """\
version: 1
checks: [{name: tests, run: "python -m pytest -q -p no:cacheprovider", reports: pytest}]
"""


def project(module: str, tests: str, **others: str) -> dict[str, bytes]:
    files = {"src/shop.py": module, "tests/test_shop.py": tests, **others}
    files["conftest.py"] = "import sys\nsys.path.insert(0, 'src')\n"
    return {path: text.encode() for path, text in files.items()}


async def repaired(
    client: Client, files: Mapping[str, bytes], policy: str = POLICY, seconds: int = 240
) -> str:
    """The module as the repair leaves it."""
    build = await client.build(client.request(REPAIR, files=files, policy=policy, seconds=seconds))
    changed = client.changed(build)
    assert list(changed) == ["src/shop.py"]
    assert build.builder_kind == "repair"
    assert len(build.exchange_digest) == 64
    return (changed["src/shop.py"] or b"").decode()


async def refused(client: Client, files: Mapping[str, bytes], policy: str = POLICY, seconds: int = 30) -> str:
    return failure(await client.build(client.request(REPAIR, files=files, policy=policy, seconds=seconds)))


@pytest.fixture(params=["namespaces", "landlock"])
async def on_each_tier(request: pytest.FixtureRequest, owner: Owner, config: Config) -> AsyncIterator[Client]:
    if request.param not in (await asyncio.to_thread(probe)).tiers:
        pytest.skip(f"no {request.param} on this machine")
    async with running_builder(owner, replace(config, sandbox_tier=request.param)) as made:
        yield made


OLDEST = '''\
"""Who is oldest."""


def oldest(people):
    best = None
    for name, age in people:
        # The first of equals stays.
        if best is None or age < best[1]:
            best = (name, age)
    return best
'''
OLDEST_TESTS = """\
from shop import oldest

def test_nobody():
    assert oldest([]) is None

def test_one():
    assert oldest([("a", 1)]) == ("a", 1)

def test_later():
    assert oldest([("a", 1), ("b", 3), ("c", 2)]) == ("b", 3)

def test_equal():
    assert oldest([("a", 3), ("b", 3)]) == ("a", 3)
"""


async def test_a_wrong_comparison_is_mended_and_all_else_stays_as_it_is_written(on_each_tier: Client) -> None:
    assert await repaired(on_each_tier, project(OLDEST, OLDEST_TESTS)) == OLDEST.replace("age <", "age >")


async def test_the_same_inputs_give_the_same_change(client: Client) -> None:
    files = project(OLDEST, OLDEST_TESTS)
    assert await repaired(client, files) == await repaired(client, files)


async def test_a_missing_statement_is_put_in(client: Client) -> None:
    module = (
        "def unique(items):\n    seen = set()\n    kept = []\n    for item in items:\n"
        "        if item not in seen:\n            kept.append(item)\n    return kept\n"
    )
    tests = (
        "from shop import unique\n\ndef test_twice():\n    assert unique([1, 1, 2, 1]) == [1, 2]\n\n"
        "def test_once():\n    assert unique('abc') == ['a', 'b', 'c']\n"
    )
    assert "seen.add(item)" in await repaired(client, project(module, tests))


async def test_a_loop_that_never_ends_is_mended(client: Client) -> None:
    module = (
        "def digits(n):\n    found = 0\n    while n >= 0:\n"
        "        n //= 10\n        found += 1\n    return found\n"
    )
    tests = (
        "import pytest\nfrom shop import digits\n\n"
        "@pytest.mark.parametrize('n, found', [(7, 1), (10, 2), (12345, 5)])\n"
        "def test_digits(n, found):\n    assert digits(n) == found\n"
    )
    assert "while n > 0:" in await repaired(client, project(module, tests))


async def test_a_method_with_a_mutable_default_is_mended(client: Client) -> None:
    module = (
        "class Cart:\n    def __init__(self, lines=[]):\n        self.lines = lines\n\n"
        "    def add(self, line):\n        self.lines.append(line)\n"
    )
    tests = (
        "from shop import Cart\n\n"
        "def test_apart():\n    Cart().add('tea')\n    assert Cart().lines == []\n\n"
        "def test_add():\n    cart = Cart(['tea'])\n    cart.add('cup')\n"
        "    assert cart.lines == ['tea', 'cup']\n"
    )
    assert "lines=None" in await repaired(client, project(module, tests))


async def test_two_faults_in_one_file_are_mended_together(client: Client) -> None:
    module = (
        "def low(a, b):\n    return a if a > b else b\n\n\ndef high(a, b):\n    return a if a < b else b\n"
    )
    tests = (
        "from shop import high, low\n\ndef test_low():\n    assert low(1, 2) == 1 and low(4, 3) == 3\n\n"
        "def test_high():\n    assert high(1, 2) == 2 and high(4, 3) == 4\n"
    )
    mended = await repaired(client, project(module, tests))
    names: dict[str, object] = {}
    exec(mended, names)
    low, high = names["low"], names["high"]
    assert callable(low)
    assert callable(high)
    assert (low(5, 9), high(5, 9)) == (5, 9)


async def test_checks_that_do_not_report_by_pytest_judge_too(client: Client) -> None:
    policy = 'version: 1\nchecks: [{name: own, run: "python check.py", reports: none}]\n'
    check = (
        "import sys\nsys.path.insert(0, 'src')\n"
        "from shop import twice\nassert [twice(n) for n in (0, 2, 5)] == [0, 4, 10]\n"
    )
    files = project("def twice(n):\n    return n ** 2\n", "", **{"check.py": check})
    assert "n * 2" in await repaired(client, files, policy)


async def test_failures_that_do_not_reach_the_scope_are_left_alone(client: Client) -> None:
    other = "def test_elsewhere():\n    assert 'north' == 'south'\n"
    files = project(OLDEST, OLDEST_TESTS, **{"tests/test_other.py": other})
    assert "age > best" in await repaired(client, files)


async def test_what_no_template_can_mend_is_said_honestly(client: Client) -> None:
    tests = "from shop import name\n\ndef test_name():\n    assert name() == 'b7e1f4'\n"
    files = project("def name():\n    return 'x'\n", tests)
    assert await refused(client, files) == "REPAIR_NOT_FOUND"


async def test_code_that_waits_does_not_keep_the_search_beyond_its_time(client: Client) -> None:
    module = "import time\n\ndef answer(n):\n    time.sleep(n)\n    return n\n"
    tests = "from shop import answer\n\ndef test_answer():\n    assert answer(5) == 'b7e1f4'\n"
    assert await refused(client, project(module, tests), seconds=15) == "REPAIR_NOT_FOUND"


async def test_where_nothing_fails_there_is_nothing_to_repair(client: Client) -> None:
    files = project(
        "def one():\n    return 1\n", "from shop import one\n\ndef test_one():\n    assert one() == 1\n"
    )
    assert await refused(client, files) == "REPAIR_NOTHING_FAILS"


async def test_without_a_check_there_is_no_repair(client: Client) -> None:
    assert await refused(client, project(OLDEST, OLDEST_TESTS), "version: 1\n") == "REPAIR_NO_CHECKS"


async def test_a_scope_without_python_is_refused(client: Client) -> None:
    files = project(OLDEST, OLDEST_TESTS)
    request = client.request(REPAIR, files=files, policy=POLICY, scope=["docs/**"])
    assert failure(await client.build(request)) == "REPAIR_NO_SOURCE"


async def test_code_under_repair_cannot_have_other_files_changed(client: Client) -> None:
    """It runs beside the search and may write what it likes in its place."""
    forged = json.dumps({"code": "", "sources": {"tests/test_shop.py": "", "src/shop.py": "x = 1\n"}})
    module = (
        "import atexit, os, threading, time\n"
        f"FORGED = {forged!r}\n"
        "def forge():\n"
        "    while True:\n"
        "        with open(os.environ['AUTOPACK_REPORTS'] + '/findings.json', 'w') as file:\n"
        "            file.write(FORGED)\n"
        "        os.chmod(os.environ['AUTOPACK_REPORTS'] + '/findings.json', 0o444)\n"
        "        time.sleep(0.01)\n"
        "threading.Thread(target=forge, daemon=True).start()\n"
        "def one():\n    return 2\n"
    )
    tests = "from shop import one\n\ndef test_one():\n    assert one() == 1\n"
    build = await client.build(
        client.request(REPAIR, files=project(module, tests), policy=POLICY, seconds=30)
    )
    if build.state == build_pb2.BUILD_STATE_SUCCEEDED:
        assert list(client.changed(build)) == ["src/shop.py"]
    else:
        assert failure(build) in ("REPAIR_FAILED", "BUILD_TIMED_OUT")
