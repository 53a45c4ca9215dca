"""Brings revisions of a repository to the services, and waits for their long work."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

from autopack.api.orchestrator.v1 import orchestrator_service_pb2 as messages
from autopack.cli.repository import git_directory, repository_of, root_of
from autopack.cli.session import Session
from autopack.errors import InvalidInput, Reason, Unavailable
from autopack.gitstore.command import GitFailed, run_git
from autopack.policy import document
from autopack.policy.policy import DEFAULT_POLICY, POLICY_FILE, load_policy
from autopack.rpc.errors import call

T = TypeVar("T")

IMPORT_SECONDS = 600.0


async def bring(session: Session, repo: str, revisions: Sequence[str]) -> messages.ImportRevisionsResponse:
    """The commits that the revisions name, in the orchestrator's store from now on."""
    repository = await asyncio.to_thread(repository_of, repo, session.all_in_one)
    stub = await session.orchestrator()
    request = messages.ImportRevisionsRequest(
        request_id=f"import/{uuid.uuid4()}", repository=repository, revisions=revisions
    )
    return await call(stub.ImportRevisions(request, timeout=IMPORT_SECONDS))


def refuse_diverged(repo: Path, base: str, head: str) -> None:
    """Raises InvalidInput BASE_NOT_ANCESTOR: only what is on top of the base is judged as it would land;
    SHALLOW_REPOSITORY where the clone lacks the history that would show it."""
    place = git_directory(root_of(repo))
    try:
        run_git(["merge-base", "--is-ancestor", "--end-of-options", base, head], git_dir=place)
    except GitFailed as error:
        if error.status != 1:
            return  # a repository that git cannot read, and libgit2 can: nothing is known of its history
        if run_git(["rev-parse", "--is-shallow-repository"], git_dir=place).strip() == b"true":
            raise InvalidInput(
                Reason(
                    "SHALLOW_REPOSITORY",
                    f"this clone lacks the history that leads from {base[:10]} to {head[:10]}",
                    "git fetch --unshallow (in a GitHub workflow: actions/checkout with fetch-depth: 0)",
                    str(repo),
                )
            ) from None
        raise InvalidInput(
            Reason(
                "BASE_NOT_ANCESTOR",
                f"{head[:10]} does not contain the base {base[:10]}, so its tree is not what would land",
                "merge the base into it or rebase it first; or give `--base $(git merge-base BASE HEAD)`",
            )
        ) from None


def refuse_category(repo: Path, base: str, category: str) -> None:
    """Raises InvalidInput UNKNOWN_CATEGORY, or with what is wrong with the policy of the base."""
    try:
        shown = run_git(["cat-file", "blob", f"{base}:{POLICY_FILE}"], git_dir=git_directory(root_of(repo)))
        policy = load_policy(document.decode(shown, POLICY_FILE, "POLICY"))
    except GitFailed:
        policy = DEFAULT_POLICY
    if refusal := policy.refuse_category(category):
        raise InvalidInput(refusal)


async def patiently(wait: Callable[[], Awaitable[T]]) -> T:
    """Waits for long work: a deadline that passes only means that it still runs."""
    while True:
        try:
            return await call(wait())
        except Unavailable as error:
            if error.reasons[0].code != "DEADLINE_EXCEEDED":
                raise
