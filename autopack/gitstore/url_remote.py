"""A repository at a URL, by the git command: no prompts, no configuration of the machine, no local files."""

import base64
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from autopack.circuit_breaker import CircuitBreaker
from autopack.errors import AutopackError, FailedPrecondition, InvalidInput, NotFound, Reason, Unavailable
from autopack.gitstore.command import GitFailed, run_git
from autopack.gitstore.libgit2 import open_repository
from autopack.gitstore.records import Revision, WorkTreeFile
from autopack.gitstore.refs import Update
from autopack.gitstore.revisions import refuse_several
from autopack.gitstore.squashed import has_tree
from autopack.gitstore.store import GitStore

SCHEMES = ("https", "http", "ssh", "git")
TRANSFER_SECONDS = 600.0
LIST_SECONDS = 60.0
_SCP = re.compile(r"(?:[\w.-]+@)?(?P<host>[\w][\w.-]*):(?!//|:)[^-\s].*")
_CHECKED = "refs/autopack/remote/"
"""Where branches and tags of the remote are kept that were looked through for a commit."""
# fsck's complaints about what old tools wrote; they mean no harm.
_TOLERATED = ("zeroPaddedFilemode", "badTimezone", "missingSpaceBeforeDate", "missingNameBeforeEmail")


def _no_credential(name: str) -> str | None:
    return None


class UrlRemote:
    """A repository that git reaches by https, http, ssh or git; `file` only where the caller allows it."""

    def __init__(
        self,
        url: str,
        credential: str = "",
        read_credential: Callable[[str], str | None] = _no_credential,
        schemes: Sequence[str] = SCHEMES,
        breaker: CircuitBreaker | None = None,
    ) -> None:
        """`breaker` is that of all remotes on the URL's host.

        `read_credential` gives the secret of a name: for http "USER:PASSWORD" or a token, for ssh the
        path of a private key. Raises InvalidInput `URL_INVALID`, `CREDENTIAL_IN_URL`."""
        self.url = _checked_url(url, schemes)
        self.identity = re.sub(r"(\.git)?/*$", "", self.url)
        self._credential = credential
        self._read_credential = read_credential
        self._schemes = schemes
        self._breaker = breaker or CircuitBreaker()
        self._with_history: set[str] = set()

    def resolve(self, revision: str) -> Revision | None:
        """See `Remote`: a branch, a tag or a whole id, which `fetch` looks for."""
        refs, head = self._list()
        if not refs:
            raise InvalidInput(Reason("REPOSITORY_EMPTY", f"{self.url} has no branch", "push one first"))
        if revision == "HEAD" and "HEAD" in refs:
            return Revision(refs["HEAD"], head)
        names = [prefix + revision for prefix in ("", "refs/", "refs/tags/", "refs/heads/")]
        found = {
            name: refs.get(name + "^{}", refs[name])
            for name in names
            if name.startswith("refs/") and name in refs
        }
        if re.fullmatch(r"[0-9a-f]{40}", revision):
            found["an id"] = revision
        refuse_several(revision, found.items())
        for name, commit in found.items():
            return Revision(commit, name if name.startswith("refs/heads/") else "")
        return None

    def _list(self) -> tuple[dict[str, str], str]:
        """Every ref's id, and the branch that is the default."""
        refs: dict[str, str] = {}
        head = ""
        output = self._git(["ls-remote", "--symref", "--", self.url], Path("/dev/null"), LIST_SECONDS)
        for line in output.decode(errors="surrogateescape").splitlines():
            oid, _, name = line.partition("\t")
            if oid.startswith("ref: "):
                head = oid.removeprefix("ref: ") if name == "HEAD" else head
            else:
                refs[name] = oid
        return refs, head

    def fetch(self, store: GitStore, commits: Sequence[str]) -> None:
        """See `Remote`. A commit that is no tip is looked for in the whole history of branches and tags."""
        refs, _ = self._list()
        tips = {oid for name, oid in refs.items() if name.startswith(("refs/heads/", "refs/tags/"))}
        for commit in commits:
            if commit not in tips:
                self._look_for(store, commit)
            elif not store.has(commit):
                self._fetch(store, ["--depth=1"], [commit])

    def bring_refs(self, store: GitStore, refs: Sequence[str], depth: int) -> dict[str, str]:
        """See `Remote`."""
        known, _ = self._list()
        found = {ref: known[ref] for ref in refs if ref in known}
        if not all(map(store.has, found.values())):
            self._fetch(store, [f"--depth={depth}"], list(found))
        return found

    def _look_for(self, store: GitStore, commit: str) -> None:
        self._fetch_history(store)
        contains = ["for-each-ref", "--count=1", f"--contains={commit}", _CHECKED]
        if not store.has(commit) or not self._git(contains, store.path, TRANSFER_SECONDS):
            raise FailedPrecondition(
                Reason("BASE_NOT_ON_REMOTE", f"no branch or tag of {self.url} has {commit}", "push it first")
            )

    def _fetch_history(self, store: GitStore) -> None:
        """All of the branches and tags."""
        unshallow = ["--unshallow"] if (store.path / "shallow").exists() else []
        kinds = [f"+refs/{kind}/*:{_CHECKED}{kind}/*" for kind in ("heads", "tags")]
        self._fetch(store, ["--prune", *unshallow], kinds)

    def work_tree_file(self, path: str) -> WorkTreeFile | None:
        """See `Remote`."""
        return None

    def contains(self, store: GitStore, commit: str, earlier: str) -> bool:
        """See `Remote`."""
        if store.has(commit) and store.has(earlier) and store.is_ancestor(earlier, commit):
            return True
        if commit not in self._with_history:
            self._fetch_history(store)
            self._with_history.add(commit)
        return store.has(commit) and store.has(earlier) and store.is_ancestor(earlier, commit)

    def _fetch(self, store: GitStore, options: Sequence[str], wanted: Sequence[str]) -> None:
        checks = ["-c", "fetch.fsckObjects=true"]
        for message in _TOLERATED:
            checks += ["-c", f"fetch.fsck.{message}=ignore"]
        fixed = ["--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--quiet", *options]
        self._git([*checks, "fetch", *fixed, "--", self.url, *wanted], store.path, TRANSFER_SECONDS)

    def squashed(self, store: GitStore, commit: str, since: str, tree: str) -> bool:
        """See `Remote`."""
        return has_tree(open_repository(store.path), commit, since, tree)

    def push(self, store: GitStore, ref: str, new: str, expected_old: str) -> None:
        """See `Remote`."""
        self.push_all(store, [(ref, new, expected_old)])

    def push_all(self, store: GitStore, updates: Sequence[Update]) -> None:
        """See `Remote`."""
        options = ["--porcelain", "--atomic", "--no-verify", "--no-recurse-submodules"]
        options += [f"--force-with-lease={ref}:{expected_old}" for ref, _, expected_old in updates]
        wanted = [f"{new}:{ref}" for ref, new, _ in updates]
        try:
            self._git(
                ["push", *options, "--", self.url, *wanted], store.path, TRANSFER_SECONDS, translate=False
            )
        except GitFailed as error:
            refs = self._list()[0]
            if all(refs.get(ref, "") == new for ref, new, _ in updates):
                return  # an earlier push got there, but its answer did not get here
            for ref, _, expected_old in updates:
                found = refs.get(ref, "")
                if found == expected_old:
                    continue
                message = f"{ref} is at {found or 'nothing'}, not at {expected_old or 'nothing'}"
                fix = "start again from where it is"
                raise FailedPrecondition(Reason("REF_MOVED", message, fix)) from None
            fix = "let this credential push to that branch, or have a person do it"
            raise FailedPrecondition(Reason("PUSH_REFUSED", error.message[-500:], fix)) from None

    def move_branch(self, store: GitStore, branch: str, new: str, expected_old: str) -> None:
        """See `Remote`; nothing is checked out there."""
        if expected_old and not store.is_ancestor(expected_old, new):
            raise FailedPrecondition(
                Reason("NOT_FAST_FORWARD", f"{new} does not come after {expected_old}", "start a new run")
            )
        self.push(store, branch, new, expected_old)

    def _git(self, arguments: Sequence[str], git_dir: Path, timeout: float, translate: bool = True) -> bytes:
        if wait := self._breaker.wait_seconds():
            found = f"{self.url} was away several times in a row; it is asked again in {wait:.0f} s"
            raise Unavailable(Reason("REMOTE_UNREACHABLE", found, "try again when it can be reached"))
        try:
            output = run_git(arguments, git_dir=git_dir, timeout=timeout, environment=self._environment())
        except GitFailed as error:
            translated = _translated(self.url, error.message)
            if not translate:
                raise  # the caller asks for the refs next, which tells
            self._breaker.told(away=isinstance(translated, Unavailable))
            raise translated from None
        self._breaker.told(away=False)
        return output

    def _environment(self) -> Mapping[str, str]:
        """The secret goes by the environment: arguments can be seen by all users of the machine."""
        environment = {"GIT_ALLOW_PROTOCOL": ":".join(self._schemes)}
        ssh = ["ssh", "-F", "/dev/null", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"]
        if self._credential:
            secret = self._read_credential(self._credential)
            if not secret:
                raise FailedPrecondition(
                    Reason(
                        "CREDENTIAL_UNKNOWN",
                        f"this server has no credential {self._credential!r}",
                        "configure it there, or name another one",
                    )
                )
            if self.url.startswith("http"):
                user = secret if ":" in secret else f"x-access-token:{secret}"
                origin = "{0.scheme}://{0.netloc}/".format(urlsplit(self.url))
                environment |= {
                    "GIT_CONFIG_COUNT": "1",
                    "GIT_CONFIG_KEY_0": f"http.{origin}.extraHeader",
                    "GIT_CONFIG_VALUE_0": f"Authorization: Basic {base64.b64encode(user.encode()).decode()}",
                }
            else:
                ssh += ["-i", secret, "-o", "IdentitiesOnly=yes"]
        return environment | {"GIT_SSH_COMMAND": shlex.join(ssh)}


def _checked_url(url: str, schemes: Sequence[str]) -> str:
    fix = f"use one like https://HOST/PATH.git ({', '.join(schemes)})"
    if not url.isprintable() or " " in url or url.startswith("-"):
        raise InvalidInput(Reason("URL_INVALID", f"{url[:200]!a} is no URL of a repository", fix))
    if _SCP.fullmatch(url) and "ssh" in schemes:
        return url
    parts = urlsplit(url)
    if parts.scheme not in schemes or not (parts.path and (parts.hostname or parts.scheme == "file")):
        raise InvalidInput(Reason("URL_INVALID", f"{url[:200]!a} is no URL of a repository", fix))
    if parts.password is not None or (parts.username and parts.scheme != "ssh"):
        message = "the URL has a user name or password in it, which would be stored and shown"
        raise InvalidInput(Reason("CREDENTIAL_IN_URL", message, "name a credential of the server instead"))
    if (parts.hostname or "").startswith("-"):
        raise InvalidInput(Reason("URL_INVALID", f"{url[:200]!a} has no sound host name", fix))
    return url


def _translated(url: str, message: str) -> AutopackError:
    """What git says in English, as a reason."""
    lower = message.lower()
    shown = f"{url}: {message[-500:]}"
    if re.search(
        r"authentication failed|could not read (username|password)|permission denied|: 40[13]", lower
    ):
        return FailedPrecondition(
            Reason("CREDENTIAL_REFUSED", shown, "name a credential that may read the repository")
        )
    if re.search(r"not found|does not appear to be a git repository|does not exist|not exported", lower):
        return NotFound(Reason("REPOSITORY_NOT_FOUND", shown, "correct the URL, or give access to it"))
    return Unavailable(Reason("REMOTE_UNREACHABLE", shown, "try again when it can be reached"))
