"""Killed at a boundary and started again, a run leaves what one leaves that nobody killed.

Here is one boundary of each of the main kinds; `python -m benchmarks.crashes matrix` has all of them.
"""

import ast
import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.crash.scene import ORDER, ROOT, Left, Scene

COVERING = (
    # Within the transaction; with refs locked; with a command in its sandbox; between ledger and landing.
    "before commit orchestrator_svc.steps:Steps._change < orchestrator_svc.steps:Steps.land",
    "after commit orchestrator_svc.control:Control.approve",
    "before refs autopack.gitstore.refs:update_refs < autopack.gitstore.local_remote:LocalRemote.push_all",
    "after process autopack.sandbox.workspace:ContainedWorkspace._run.start",
    "after ledger memory_svc.domain.tidying:Tidying.tidy",
)
PROOFS = "tmp/autopack-proofs-"
"""What the machine has shown of its limits, kept until it is started again."""
NOT_IN_A_RUN = {
    "orchestrator_svc.control:Control.reject": "a person refuses",
    "orchestrator_svc.control:Control.cancel": "a person gives up",
    "orchestrator_svc.control:Control.drive": "only what was halted gets its reasons taken away",
    "memory_svc.storage.documents:SqlDocuments.clear": "only `index --rebuild`",
    "gate_svc.storage.check_results:CheckResults._bytes": "only evidence that is days old is touched",
    "builder_svc.storage.spending:SpendingStore.keep": "only a build that lasts, or asks a model",
    "orchestrator_svc.moved_target:fast_forward": "only where the base has moved",
    "autopack.database.operations:Operations._store_failure": "only work that failed unexpectedly",
}
"""Transactions that no undisturbed run makes, and why."""


@dataclass(frozen=True)
class Undisturbed:
    """A scene without a crash."""

    left: Left
    passed: frozenset[str]
    """Names of its boundaries."""


def play(fault: str = "", log: Path | None = None) -> tuple[Left, int]:
    """What a scene leaves, and how many processes were killed in it."""
    # Not below pytest's directory: the sandbox's own user must get through.
    root = Path(tempfile.mkdtemp(prefix="crash-"))
    root.chmod(0o755)
    try:
        scene = Scene(root, together=True)
        return asyncio.run(scene.play("host", fault, log)), scene.deaths
    finally:
        shutil.rmtree(root)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    log = tmp_path_factory.mktemp("undisturbed") / "passed"
    left, _ = play(log=log)
    return Undisturbed(left, frozenset(log.read_text().splitlines()))


def test_every_phase_lands_once_and_nothing_is_left(undisturbed: Undisturbed) -> None:
    assert list(undisturbed.left.landed) == ORDER
    assert undisturbed.left.orphans == ()
    assert undisturbed.left.status == ""
    files = undisturbed.left.files - {"home/host.lock"}
    assert not [name for name in files if name.startswith("tmp/") and PROOFS not in name]
    assert not [name for name in files if name.endswith(".lock")]


@pytest.mark.parametrize("name", COVERING)
def test_a_crash_changes_nothing_of_what_is_left(undisturbed: Undisturbed, name: str) -> None:
    boundary = min(passed for passed in undisturbed.passed if passed.startswith(name))
    left, deaths = play(f"{boundary}#1")

    assert deaths == 1
    assert left == undisturbed.left


def test_every_transaction_in_the_code_is_in_the_matrix(undisturbed: Undisturbed) -> None:
    missing = {
        place
        for place in transactions()
        if place not in NOT_IN_A_RUN and not any(place in name for name in undisturbed.passed)
    }
    assert missing == set()


def transactions() -> Iterator[str]:
    """`module:function` of all that begin a transaction."""
    for path in sorted([*ROOT.glob("*_svc/**/*.py"), *ROOT.glob("autopack/database/*.py")]):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        pending: list[tuple[str, ast.AST]] = [("", ast.parse(path.read_text()))]
        while pending:
            scope, node = pending.pop()
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                on_database = "database" in ast.unparse(node.func.value)
                if node.func.attr == "transaction" and on_database:
                    yield f"{module}:{scope}"
            for child in ast.iter_child_nodes(node):
                if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                    pending.append((f"{scope}.{child.name}".lstrip("."), child))
                else:
                    pending.append((scope, child))
