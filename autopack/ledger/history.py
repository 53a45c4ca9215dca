"""A repository as `git` tells it, without any library: files, versions of files, commits."""

import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from autopack.errors import InvalidInput, Reason


@dataclass(frozen=True, slots=True)
class Version:
    """The files after one commit of the branch, as far as they were asked for."""

    commit: str
    blobs: Mapping[str, str]
    """Id of each file's contents, by path."""


@dataclass(frozen=True, slots=True)
class Commit:
    """What a commit says."""

    tree: str
    message: str


class Repository:
    """The repository of a directory: its work tree or, where `staged`, what the next commit would hold."""

    def __init__(self, directory: Path, staged: bool = False) -> None:
        self._staged = staged
        self.root = directory
        try:
            self.root = Path(self.git("rev-parse", "--show-toplevel").strip())
        except InvalidInput as error:
            raise InvalidInput(
                Reason("REPOSITORY_INVALID", f"{directory} is no work tree of git", f"git init {directory}")
            ) from error

    def git(self, *arguments: str, fine: Sequence[int] = (0,)) -> str:
        """What the command prints. Raises InvalidInput REPOSITORY_INVALID where it does not end fine."""
        return self._bytes(*arguments, fine=fine).decode(errors="surrogateescape")

    def _bytes(self, *arguments: str, given: bytes = b"", fine: Sequence[int] = (0,)) -> bytes:
        command = ["git", "-C", str(self.root), "-c", "core.quotePath=false", *arguments]
        done = subprocess.run(command, input=given, capture_output=True)
        if done.returncode not in fine:
            said = done.stderr.decode(errors="replace").strip()[:300]
            raise InvalidInput(Reason("REPOSITORY_INVALID", f"git {arguments[0]} says: {said}", "git fsck"))
        return done.stdout

    def read(self, path: str) -> str | None:
        """A file's text, None where there is none. Raises InvalidInput LEDGER_NOT_UTF8."""
        if self._staged:
            _, data = next(self.objects([f":{path}"]))
        else:
            file = self.root / path
            data = file.read_bytes() if file.is_file() else None
        try:
            return None if data is None else data.decode()
        except UnicodeDecodeError as error:
            said, fix = f"byte {error.start} is not UTF-8", f"iconv -f latin1 -t utf8 {path} -o {path}"
            raise InvalidInput(Reason("LEDGER_NOT_UTF8", said, fix, path)) from error

    def grep(self, pattern: str) -> Iterator[tuple[str, int, str]]:
        """Path, line and words of each match of a whole word in what git knows."""
        command = ["grep", "-I", "-n", "-o", "-w", "-E", "--null", *(["--cached"] if self._staged else [])]
        for line in self.git(*command, pattern, fine=(0, 1)).splitlines():
            path, number, words = line.split("\0")
            yield path, int(number), words

    def paths(self) -> list[str]:
        """Every file that git knows."""
        return [path for path in self.git("ls-files", "-z").split("\0") if path]

    @property
    def has_commits(self) -> bool:
        """Whether there is any history."""
        return bool(self.git("rev-list", "-n", "1", "--all"))

    @property
    def shallow(self) -> bool:
        """Whether history was cut off."""
        return self.git("rev-parse", "--is-shallow-repository").strip() == "true"

    def versions(self, paths: Sequence[str], since: str = "") -> list[Version]:
        """The branch's versions of the files, oldest first; `since` leaves out what is before that commit."""
        log = self.git(
            *("log", "--first-parent", "-m", "--reverse", "--format=%x01%H", "--raw", "--no-abbrev"),
            *("--no-renames", "-z", f"{since}..HEAD" if since else "HEAD", "--", *paths),
        )
        blobs: dict[str, str] = {}
        if since:
            for line in self.git("ls-tree", "-r", "-z", since, "--", *_plain(paths)).split("\0"):
                if line:
                    facts, path = line.split("\t", 1)
                    blobs[path] = facts.split()[2]
        versions = []
        for part in log.split("\x01")[1:]:
            commit, *fields = [field.strip("\n") for field in part.split("\0") if field.strip("\n")]
            for facts, path in zip(fields[::2], fields[1::2], strict=True):
                blob = facts.split()[3]
                if set(blob) == {"0"}:
                    blobs.pop(path, None)
                else:
                    blobs[path] = blob
            versions.append(Version(commit, dict(blobs)))
        return versions

    def objects(self, names: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        """Contents of objects, in order; None for what does not exist."""
        names = list(names)
        answer = self._bytes("cat-file", "--batch", given="".join(f"{name}\n" for name in names).encode())
        at = 0
        for name in names:
            end = answer.index(b"\n", at)
            facts = answer[at:end].split()
            at = end + 1
            if len(facts) != 3 or not facts[2].isdigit():
                yield name, None
                continue
            size = int(facts[2])
            yield name, answer[at : at + size]
            at += size + 1

    def commits(self, ids: Iterable[str]) -> dict[str, Commit | None]:
        """Commits by id; None for what is none."""
        found: dict[str, Commit | None] = {}
        for name, data in self.objects(ids):
            head, _, message = (data or b"").decode(errors="replace").partition("\n\n")
            found[name] = Commit(head[5:45], message) if head.startswith("tree ") else None
        return found

    def trees(self) -> frozenset[str]:
        """Trees of every commit in the branch's history."""
        return frozenset(self.git("log", "--format=%T", "HEAD").split())


def _plain(paths: Sequence[str]) -> list[str]:
    """Without patterns, which ls-tree does not know: the directories that hold them."""
    return sorted({path.rsplit("/", 1)[0] for path in paths})
