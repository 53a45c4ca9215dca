"""Projects: one bare repository each, the remote that it came from, and the refs that move in both."""

import asyncio
import hashlib
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import sqlalchemy as sa

from autopack.api.orchestrator.v1 import run_pb2
from autopack.attestation.storage import (
    BRANCH,
    add_files,
    add_run,
    change_file,
    directory_of,
    ref_of,
)
from autopack.circuit_breaker import CircuitBreakers
from autopack.database.database import Database
from autopack.errors import AlreadyExists, FailedPrecondition, InvalidInput, NotFound, Reason
from autopack.gitstore.effects import missing_effects
from autopack.gitstore.notices import content_notices
from autopack.gitstore.remote import LocalRemote, Remote, UrlRemote
from autopack.gitstore.store import GitStore, Signature, TreeEntry
from orchestrator_svc.domain.commit import commit_seconds
from orchestrator_svc.domain.refusal import Halt
from orchestrator_svc.domain.run import Attempt, Landing, Run
from orchestrator_svc.domain.train import Prediction
from orchestrator_svc.storage.tables import projects

ANCHOR_TRIES = 20
"""Times that the branch of all attestations may have been moved by another run meanwhile."""
_PREDICTOR = Signature("autopack-prediction", "autopack@localhost", 0)
_PROJECT_ID = re.compile(r"[a-z0-9-]+")
_CREDENTIAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_NOT_IN_A_NAME = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Base:
    """Where a run starts."""

    commit: str
    branch: str
    """Full ref that the revision names; empty where it names none."""
    notices: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class Project:
    """One project: its store here, and where it comes from. All methods block."""

    project_id: str
    store: GitStore
    remote: Remote

    def bring_base(self, revision: str) -> Base:
        """Fetches the commit that the revision names.

        Raises:
            NotFound: `BASE_NOT_FOUND`.
            FailedPrecondition: `BASE_NOT_ON_REMOTE`, where a commit is asked for that a remote lacks.
            InvalidInput: if the repository cannot be used.
        """
        found = self.remote.resolve(revision)
        if found is None:
            if re.fullmatch(r"[0-9a-f]{40}", revision) and isinstance(self.remote, UrlRemote):
                raise FailedPrecondition(
                    Reason("BASE_NOT_ON_REMOTE", f"The remote has no commit {revision}.", "Push it first.")
                )
            raise NotFound(
                Reason(
                    "BASE_NOT_FOUND",
                    f"The repository has no revision {revision!r}.",
                    "`git branch -a` lists branches; only commits count, so commit first.",
                )
            )
        self.remote.fetch(self.store, [found.commit])
        notices = (*found.notices, *content_notices(self.store, found.commit))
        return Base(found.commit, found.branch, notices)

    def bring(self, revisions: Sequence[str]) -> list[str]:
        """Fetches what the revisions name.

        Raises:
            NotFound: `REVISION_NOT_FOUND`.
            InvalidInput: if the repository cannot be used.
        """
        commits = []
        for revision in revisions:
            found = self.remote.resolve(revision)
            if found is None:
                raise NotFound(
                    Reason(
                        "REVISION_NOT_FOUND",
                        f"The repository has no revision {revision!r}.",
                        "Fetch it first.",
                    )
                )
            commits.append(found.commit)
        self.remote.fetch(self.store, commits)
        return commits

    def catch_up(self, run: Run, depth: int) -> None:
        """Has what others made of a run that they drove before: the remote says where its refs are.

        `depth` is more than the run's commits.
        """
        refs = [run.branch, ref_of(run.run_id)]
        found = self.remote.bring_refs(self.store, refs, depth)
        here = {ref: self.store.resolve(ref) or "" for ref in refs}
        there = {ref: found.get(ref, "") for ref in refs}
        self.store.update_refs([(ref, there[ref], here[ref]) for ref in refs if here[ref] != there[ref]])
        if not self.store.has(run.base):
            self.remote.fetch(self.store, [run.base])

    def predicted(self, run: Run, attempt: Attempt, prediction: Prediction) -> tuple[str, str]:
        """Commits for a predicted tree and the one before it, as the gate is shown them."""
        if prediction.tree is None:
            raise ValueError("a conflict has no tree")
        base = run.head
        if self.store.commit_tree(run.head) != prediction.base_tree:
            base = self.store.commit(
                tree=prediction.base_tree, parents=[run.base], message="Predicted base", author=_PREDICTOR
            )
        if attempt.base == base and self.store.commit_tree(attempt.change) == prediction.tree:
            return base, attempt.change
        head = self.store.commit(
            tree=prediction.tree, parents=[base], message="Predicted head", author=_PREDICTOR
        )
        return base, head

    def make_commit(
        self, run: Run, attempt: Attempt, tree: str, message: str, author: Signature
    ) -> tuple[str, bytes, bytes]:
        """The commit that lands, which no ref has yet, and it and its parent as git hashes them.

        Again is the same.

        Raises:
            Halt: `CHANGE_DROPPED`, if the tree has not the effect of the change that was built.
        """
        dropped = missing_effects(self.store, attempt.base, attempt.change, run.head, tree)
        if dropped:
            raise Halt(
                Reason(
                    "CHANGE_DROPPED",
                    f"What would land has lost the change of {', '.join(dropped[:10])}.",
                    "This is a fault of Autopack: report it with `autopack show RUN --json`.",
                    path=dropped[0],
                )
            )
        commit = self.store.commit(tree=tree, parents=[run.head], message=message, author=author)
        raw, parent = (self.store.read_object(bytes.fromhex(oid))[1] for oid in (commit, run.head))
        return commit, raw, parent

    def land(self, landing: Landing, bundle: bytes) -> None:
        """Moves branch and attestations in one transaction, here and at the remote; again is the same."""
        run, commit = landing.run, landing.commit
        proofs = ref_of(run.run_id)
        before = self.store.resolve(proofs)
        name = change_file(commit)
        at = commit_seconds(run.submit_time, landing.phase.slot or 0)
        if before and self.store.entry(before, name) is not None:
            # Made before a crash, from the same judgement or an earlier one of the same change.
            proof, before = before, next(iter(self.store.parents(before)), None)
            if before == landing.attempt.change:
                before = None
        else:
            text = f"Attest {landing.phase.phase_id}\n"
            proof = add_files(self.store, before, {name: bundle}, [landing.attempt.change], text, at)
        tip = self.store.resolve(run.branch)
        # Rows that come from a backup may be behind: what follows from this very commit stays.
        landed = tip if tip and self.store.is_ancestor(commit, tip) else commit
        moves = [
            (run.branch, landed, run.head if run.head != run.base else ""),
            (proofs, proof, before or ""),
        ]
        here = [move for move in moves if self.store.resolve(move[0]) != move[1]]
        if here:
            self.store.update_refs(here)
        self.remote.push_all(self.store, moves)

    def anchor(self, run: Run, files: Mapping[str, bytes], built: Sequence[str]) -> None:
        """Puts the files beside the run's attestations, and all of these on the branch that clones have.

        Raises FailedPrecondition `REF_MOVED`, if others write the branch faster than we can.
        """
        proofs = ref_of(run.run_id)
        at = int(run.submit_time)
        before = self.store.resolve(proofs)
        anchored = before
        if before is None or any(self.store.read(before, name) != data for name, data in files.items()):
            anchored = add_files(self.store, before, files, built, f"End of run {run.run_id}\n", at)
            self.store.update_refs([(proofs, anchored, before or "")])
        if anchored is None:
            raise ValueError("files were added")
        self.remote.push(self.store, proofs, anchored, before or "")
        for last in range(ANCHOR_TRIES, 0, -1):
            found = self.remote.resolve(BRANCH)
            tip = found.commit if found else None
            if tip:
                self.remote.fetch(self.store, [tip])
                if self.store.entry(tip, directory_of(run.run_id)) == self._whole(anchored, run):
                    return
            try:
                self.remote.push(
                    self.store, BRANCH, add_run(self.store, tip, run.run_id, anchored, at), tip or ""
                )
                return
            except FailedPrecondition as error:
                if last == 1 or error.reasons[0].code != "REF_MOVED":
                    raise

    def _whole(self, anchored: str, run: Run) -> TreeEntry:
        """The run's directory as the branch has it, once it is there."""
        return TreeEntry(directory_of(run.run_id), 0o40000, self.store.commit_tree(anchored))

    def refuse_taken_branch(self, branch: str) -> None:
        """Refuses a run whose branch exists at the remote already.

        Raises:
            AlreadyExists: `BRANCH_EXISTS`.
        """
        short = branch.removeprefix("refs/heads/")
        # Git cannot have a branch below another one.
        directory = short.partition("/")[0]
        if self.remote.resolve(f"refs/heads/{directory}") is not None:
            found = f"The repository has a branch {directory}, so that it can have none called {short}."
            fix = f"Rename it: git branch -m {directory} {directory}-old"
            raise AlreadyExists(Reason("BRANCH_EXISTS", found, fix))
        if self.remote.resolve(branch) is not None:
            raise AlreadyExists(
                Reason(
                    "BRANCH_EXISTS",
                    f"The repository has a branch {short} already, which is not this run's.",
                    f"Choose another --run-id, or remove it: git branch -D {short}",
                )
            )


@dataclass(slots=True)
class Projects:
    """Projects by id."""

    database: Database
    directory: Path
    allow_paths: bool
    credentials: Path | None = None
    """Directory with a file for each named credential, as a mounted Kubernetes secret is."""
    _known: dict[str, Project] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _breakers: CircuitBreakers = field(default_factory=CircuitBreakers)

    async def open(self, repository: run_pb2.Repository) -> Project:
        """The project of a repository, noted in the database.

        Raises:
            InvalidInput: `PATH_NOT_ALLOWED`, or what is wrong with the repository.
        """
        kind = repository.WhichOneof("location")
        if kind == "path" and not self.allow_paths:
            raise InvalidInput(
                Reason(
                    "PATH_NOT_ALLOWED",
                    "This server takes repositories by URL only: it has no paths of yours.",
                    "Give `--repo URL`, or run without --server.",
                )
            )
        location = repository.path if kind == "path" else repository.url
        remote = await asyncio.to_thread(self._remote, kind or "", location, repository.credential)
        project_id = _project_id(remote.identity)
        row = {
            "project_id": project_id,
            "kind": kind,
            "location": location,
            "credential": repository.credential,
        }

        def note(connection: sa.Connection) -> None:
            known = sa.select(projects.c.project_id).where(projects.c.project_id == project_id)
            if connection.execute(known).one_or_none() is None:
                connection.execute(sa.insert(projects).values(row))

        await self.database.transaction(note)
        return self._project(project_id, remote)

    async def get(self, project_id: str) -> Project:
        """A project that was opened before, by this orchestrator or another one.

        Raises:
            NotFound: `PROJECT_NOT_FOUND`.
        """
        if project_id in self._known:
            return self._known[project_id]
        row = await self.database.read(
            lambda connection: connection.execute(
                sa.select(projects).where(projects.c.project_id == project_id)
            ).one_or_none()
        )
        if row is None:
            raise _unknown(project_id)
        remote = await asyncio.to_thread(self._remote, row.kind, row.location, row.credential)
        return self._project(project_id, remote)

    def store(self, project_id: str) -> GitStore:
        """The store of a project, open or left by an earlier process; blocks.

        Raises:
            NotFound: `PROJECT_NOT_FOUND`.
        """
        if project_id in self._known:
            return self._known[project_id].store
        path = self.directory / f"{project_id}.git"
        if not _PROJECT_ID.fullmatch(project_id) or not path.is_dir():
            raise _unknown(project_id)
        return GitStore.open(path)

    def _remote(self, kind: str, location: str, credential: str) -> Remote:
        if kind == "path":
            return LocalRemote(Path(location))
        breaker = self._breakers.of(urlsplit(location).netloc or location.partition(":")[0])
        return UrlRemote(location, credential, lambda name: self._credential(name, location), breaker=breaker)

    def _credential(self, name: str, location: str) -> str | None:
        """What the named file says, for http; where it is, for ssh, which reads keys itself."""
        if self.credentials is None or not _CREDENTIAL.fullmatch(name):
            return None
        file = self.credentials / name
        if not file.is_file():
            return None
        return file.read_text().strip() if location.startswith("http") else str(file)

    def _project(self, project_id: str, remote: Remote) -> Project:
        with self._lock:
            if project_id not in self._known:
                store = GitStore.open(self.directory / f"{project_id}.git")
                self._known[project_id] = Project(project_id, store, remote)
            return self._known[project_id]


def _project_id(identity: str) -> str:
    """The repository's name for people, and enough of a digest to tell it from its namesakes."""
    name = _NOT_IN_A_NAME.sub("-", identity.removesuffix("/").removesuffix(".git").rsplit("/", 1)[-1].lower())
    return f"{name.strip('-')[:40] or 'project'}-{hashlib.sha256(identity.encode()).hexdigest()[:10]}"


def _unknown(project_id: str) -> NotFound:
    return NotFound(
        Reason("PROJECT_NOT_FOUND", f"There is no project {project_id!r} here.", "Submit a run first.")
    )
