"""Reads a change from the project's store, and what its paths and contents say before anything is run."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from autopack.errors import InvalidInput, Reason
from autopack.gitstore.digest import change_digest
from autopack.gitstore.objects import DIRECTORY, GITLINK, REGULAR
from autopack.gitstore.records import FileChange
from autopack.gitstore.store import READ_LIMIT, GitStore
from autopack.gitstore.write_path import LEDGER_LIMITS, check_change
from autopack.ledger.append_only import check_ledger_change
from autopack.policy.narrowing import merge_checks
from autopack.policy.paths import ledger_rules
from autopack.policy.plan import Check
from autopack.policy.policy import POLICY_FILE, Policy
from autopack.policy.read import has_policy, policy_at
from gate_svc.domain.answers import answers
from gate_svc.domain.awareness import awareness
from gate_svc.domain.change import ChangedFile
from gate_svc.domain.facts import categories, content_rulings
from gate_svc.domain.judge_files import changed_judges, harmless, is_judge, judge_reasons, loss_reasons
from gate_svc.domain.request import GateRequest
from gate_svc.domain.ruling import Ruling, Weight, ask, refuse
from gate_svc.domain.shadowing import shadowing
from gate_svc.domain.test_diff.test_files import is_test_file

LEDGER_CATEGORY = "ledger"
TESTS_LIMIT = 500
TEST_BYTES_LIMIT = 500_000
"""Test files that are searched for answers that a change has copied, and bytes of each."""
CONTENTS_LIMIT = 200_000_000
"""Bytes of all contents that are looked at; a change deletes more only of what nobody reads."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A change as it was read."""

    base_tree: str
    tree: str
    policy: Policy
    changes: tuple[FileChange, ...]
    files: tuple[ChangedFile, ...]
    """With their contents; empty where the change is too large to be looked at, which refuses it."""
    change_digest: str
    categories: tuple[str, ...]
    rulings: tuple[Ruling, ...]
    checks: tuple[Check, ...]
    checks_required: bool

    @property
    def refused(self) -> bool:
        """Whether it may not land whatever its checks say: then they are not run."""
        return any(ruling.weight is Weight.REFUSE for ruling in self.rulings)


def read_candidate(store: GitStore, request: GateRequest) -> Candidate:
    """The change with all that it says by itself. Blocks.

    Raises InvalidInput where the policy's commit has no readable policy, ResourceExhausted
    `CHANGE_TOO_LARGE` where not even its paths can be listed, NotFound for objects that are not there.
    """
    policy = policy_at(store, request.policy_commit)
    changes = store.diff(request.base, request.head)
    bootstrap = _brings_policy(store, request, changes)
    path_rulings = _path_rulings(store, request, policy, changes, bootstrap)
    readable = not any(ruling.reason.code == "CHANGE_TOO_LARGE" for ruling in path_rulings)
    files = tuple(_read(store, changes)) if readable else ()

    def pinned(path: str) -> bytes | None:
        return _contents(store, request.policy_commit, path)

    understood, lost = harmless(files, pinned, policy)
    judges = tuple(path for path in changed_judges(files, pinned, policy) if path not in understood)

    def is_product(path: str) -> bool:
        return not is_judge(path, policy) and not is_test_file(path)

    asked = (
        *judge_reasons(judges),
        *loss_reasons(lost),
        *awareness(files, is_product),
        *answers(files, is_product, lambda: _tests(store, request.policy_commit)),
    )
    return Candidate(
        base_tree=store.commit_tree(request.base),
        tree=store.commit_tree(request.head),
        policy=policy,
        changes=changes,
        files=files,
        change_digest=change_digest(changes, policy.digest),
        categories=categories(
            [change.path for change in changes],
            (*judges, *(each.path for each in lost)),
            policy,
            request.category,
        ),
        rulings=(
            *path_rulings,
            *content_rulings(files),
            *shadowing(files, lambda directory: _names_in(store, request.head, directory)),
            *(ask(each) for each in asked),
        ),
        checks=merge_checks(policy, request.checks),
        checks_required=request.category != LEDGER_CATEGORY
        and not (bootstrap and len(_newly_protected(policy, changes)) == len(changes)),
    )


def _tests(store: GitStore, commit: str) -> dict[str, bytes]:
    """The tests of a commit, as far as they are looked at."""
    found: dict[str, bytes] = {}
    for entry in store.entries(commit):
        if is_test_file(entry.path) and entry.mode & REGULAR == REGULAR and len(found) < TESTS_LIMIT:
            found[entry.path] = _blob(store, entry.mode, entry.oid, TEST_BYTES_LIMIT) or b""
    return found


def _path_rulings(
    store: GitStore,
    request: GateRequest,
    policy: Policy,
    changes: tuple[FileChange, ...],
    bootstrap: bool,
) -> tuple[Ruling, ...]:
    """Whether these paths may be changed, and by a change of this kind."""
    if not changes:
        nothing = Reason("NO_CHANGE", "the change changes nothing", "check that it is not there already")
        return (refuse(nothing),)
    if request.category == LEDGER_CATEGORY:
        return tuple(refuse(reason) for reason in _ledger_reasons(store, request, changes))
    rules = policy.path_rules(request.scope)
    if not bootstrap:
        return tuple(refuse(reason) for reason in check_change(store, request.base, request.head, rules))
    # The exemption holds for what is new: the first policy comes with ledgers and CI files.
    rules = replace(rules, exempt=_newly_protected(policy, changes))
    first = Reason(
        "POLICY_BOOTSTRAP",
        "the change brings the first policy, and with it what later changes are judged by",
        "look at the policy and all that comes with it, then approve",
        path=POLICY_FILE,
    )
    reasons = [*check_change(store, request.base, request.head, rules), *_policy_faults(store, request.head)]
    return (*(refuse(reason) for reason in reasons), ask(first))


def _ledger_reasons(
    store: GitStore, request: GateRequest, changes: tuple[FileChange, ...]
) -> tuple[Reason, ...]:
    """Ledgers only grow, and remain plain files."""
    rules = ledger_rules(change.path for change in changes)
    reasons = list(check_change(store, request.base, request.head, rules, LEDGER_LIMITS))
    reasons += [
        Reason("LEDGER_NOT_A_FILE", "the ledger is a link or executable", "make it a plain file", change.path)
        for change in changes
        if change.new_mode not in (0, REGULAR)
    ]
    if reasons:
        return tuple(reasons)
    return check_ledger_change(
        lambda path: store.read(request.base, path, LEDGER_LIMITS.file_bytes),
        lambda path: store.read(request.head, path, LEDGER_LIMITS.file_bytes),
        [change.path for change in changes],
    )


def _brings_policy(store: GitStore, request: GateRequest, changes: tuple[FileChange, ...]) -> bool:
    return any(change.path == POLICY_FILE and change.old_mode == 0 for change in changes) and not has_policy(
        store, request.policy_commit
    )


def _newly_protected(policy: Policy, changes: tuple[FileChange, ...]) -> tuple[str, ...]:
    rules = policy.path_rules()
    return tuple(
        change.path
        for change in changes
        if change.old_mode == 0 and (reason := rules.refuse(change.path)) and reason.code == "PATH_PROTECTED"
    )


def _policy_faults(store: GitStore, head: str) -> tuple[Reason, ...]:
    try:
        policy_at(store, head)
    except InvalidInput as error:
        return error.reasons
    return ()


def _read(store: GitStore, changes: tuple[FileChange, ...]) -> Iterator[ChangedFile]:
    left = CONTENTS_LIMIT
    for change in changes:
        new = _blob(store, change.new_mode, change.new_oid, left)
        left -= len(new or b"")
        old = _blob(store, change.old_mode, change.old_oid, left)
        left -= len(old or b"")
        yield ChangedFile(change.path, change.old_mode, change.new_mode, old, new)


def _blob(store: GitStore, mode: int, oid: str, limit: int = READ_LIMIT) -> bytes | None:
    if mode in (0, GITLINK) or store.size(oid) > min(limit, READ_LIMIT):
        return None
    return store.read_blob(oid)


def _names_in(store: GitStore, commit: str, directory: str) -> list[str]:
    """Names in a directory; none where there is no such directory."""
    entry = store.entry(commit, directory) if directory else None
    if directory and (entry is None or entry.mode != DIRECTORY):
        return []
    tree = bytes.fromhex(entry.oid) if entry else store.tree(commit)
    return [name.decode(errors="surrogateescape") for _, name, _ in store.read_tree(tree)]


def _contents(store: GitStore, commit: str, path: str) -> bytes | None:
    """What the commit has at a path, None for nothing; what cannot be read as a file is empty."""
    entry = store.entry(commit, path)
    if entry is None or entry.mode == DIRECTORY:
        return None
    return _blob(store, entry.mode, entry.oid) or b""
