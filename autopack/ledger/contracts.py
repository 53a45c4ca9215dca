"""What a repository's ledgers promise, checked over its history with nothing but git."""

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import PurePosixPath

from autopack.errors import InvalidInput, Reason
from autopack.ledger.derived import SUMMARY_END, SUMMARY_START, render_derived
from autopack.ledger.document import INDEX_END, Ledger, render_entry
from autopack.ledger.entry import LEDGERS, Entry, Kind
from autopack.ledger.files import parse_files, sources
from autopack.ledger.history import Repository, Version
from autopack.ledger.links import dead_links

SETTINGS_PATH = "docs/SETTINGS.md"
WRITE = "autopack contracts check --write"

_MARK = re.compile(r"AUTOPACK_(INDEX|SUMMARY|CHANGELOG)_(START|END)|AUTOPACK_GATED")
"""Marks in documents, and what an attestation claims: words that are no settings."""
_FIRST_ENTRY = re.compile(rb'^<a id="(?:build|dbg|dec)-\d+"></a>\n\n## ', re.MULTILINE)
_LANDED = re.compile(r"^- `[^`]*` LANDED commit `([0-9a-f]+)` verdict `([0-9a-f]+)`", re.MULTILINE)


def check(repository: Repository, since: str = "") -> list[Reason]:
    """Everything that does not hold, each with its place and the command that mends it.

    History before the commit `since` is taken as it is.
    """
    reasons: list[Reason] = []
    ledgers: dict[Kind, Ledger] = {}
    for kind in Kind:
        try:
            ledgers[kind] = parse_files(kind, repository.read)
        except InvalidInput as error:
            reasons += [_restorable(reason) for reason in error.reasons]
    reasons += _history(repository, ledgers, since)
    reasons += _commits(repository, ledgers)
    if len(ledgers) == len(Kind):
        reasons += _derived(repository, ledgers)
    reasons += _dead_links(repository)
    reasons += _settings(repository)
    return reasons


def write(repository: Repository) -> list[str]:
    """Brings what is generated from the ledgers up to them; the paths written."""
    ledgers = {kind: parse_files(kind, repository.read) for kind in Kind}
    written = []
    for path, text in render_derived(repository.read, ledgers).items():
        if repository.read(path) != text:
            target = repository.root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
            written.append(path)
    return written


def _restorable(reason: Reason) -> Reason:
    """A draft is mended by hand, all else by taking what was there."""
    if reason.code in {"LEDGER_NOT_UTF8", "LEDGER_LINE_ENDS", "LEDGER_FIELD_MISSING", "LEDGER_FIELD_UNKNOWN"}:
        return reason
    fix = f"git checkout HEAD -- {reason.path}   # in a draft: {reason.fix}"
    return Reason(reason.code, reason.message, fix, reason.path, reason.line)


def _history(repository: Repository, ledgers: Mapping[Kind, Ledger], since: str) -> Iterator[Reason]:
    if not repository.has_commits:
        return
    if repository.shallow and not since:
        said = "the history is cut off, so nothing can be said of what was there before"
        yield Reason("SHALLOW_REPOSITORY", said, "git fetch --unshallow")
        return
    patterns = {kind: _patterns(kind) for kind in Kind}
    versions = repository.versions([path for each in patterns.values() for path in each], since)
    for kind, ledger in ledgers.items():
        yield from _only_added(repository, kind, ledger, versions)
    for kind in Kind:
        path = LEDGERS[kind].path
        if versions and path in versions[-1].blobs and repository.read(path) is None:
            yield Reason("LEDGER_REMOVED", "the ledger is gone", f"git checkout HEAD -- {path}", path)


def _patterns(kind: Kind) -> list[str]:
    path = PurePosixPath(LEDGERS[kind].path)
    return [str(path), str(path.with_stem(f"{path.stem}_[0-9][0-9][0-9][0-9]"))]


def _only_added(
    repository: Repository, kind: Kind, ledger: Ledger, versions: Sequence[Version]
) -> Iterator[Reason]:
    """Each version's sealed entries begin the next one's, and so those of today."""
    path = LEDGERS[kind].path
    stem = path.removesuffix(".md")
    today = "".join(map(render_entry, ledger.entries)).encode()
    known: dict[str, bytes] = {}
    longest: tuple[int, str] = (len(today), "")

    def sealed(blob: str) -> bytes:
        if blob not in known:
            ((_, data),) = repository.objects([blob])
            known[blob] = _sealed(data or b"")
        return known[blob]

    told: list[tuple[str, tuple[str, ...]]] = []
    for version in versions:
        years = sorted(name for name in version.blobs if name.startswith(f"{stem}_"))
        blobs = tuple(version.blobs[name] for name in (*years, path) if name in version.blobs)
        if not told or blobs != told[-1][1]:
            told.append((version.commit, blobs))
    for number, (commit, blobs) in reversed(list(enumerate(told))):
        length = 0
        for blob in blobs:
            if not today.startswith(sealed(blob), length):
                before = told[number - 1] if number else ("", ())
                here, there = (b"".join(map(sealed, version)) for version in (blobs, before[1]))
                entry = _entry_at(ledger, sealed(blob), length)
                said, fix = (
                    f"{entry} is not what commit {commit[:12]} has",
                    f"git checkout {commit[:12]} -- {path}",
                )
                if not here.startswith(there) and today.startswith(there):
                    had = before[0][:12]
                    said = f"commit {commit[:12]} has other entries than {had} before it; these are back"
                    fix = _accept(commit)
                line = _line(repository, ledger, entry)
                yield Reason("LEDGER_NOT_APPEND_ONLY", said, fix, path, line)
                return
            length += len(sealed(blob))
        if length > longest[0]:
            said = f"commit {longest[1][:12]} took entries away that {commit[:12]} had; they came back"
            yield Reason("LEDGER_NOT_APPEND_ONLY", said, _accept(longest[1]), path)
            return
        longest = (length, commit)


def _accept(commit: str) -> str:
    return f"autopack contracts check --since {commit[:12]}   # once you know why"


def _sealed(data: bytes) -> bytes:
    """A file's sealed entries, as they stand."""
    index = data.find(f"\n{INDEX_END}\n".encode())
    first = _FIRST_ENTRY.search(data, max(index, 0))
    end = data.rfind(b"\n<!-- sealed: sha256 ")
    if first is None or end < first.start():
        return b""
    return data[first.start() : data.index(b"\n", end + 1)] + b"\n\n"


def _entry_at(ledger: Ledger, sealed: bytes, length: int) -> str:
    """The first entry that differs."""
    at = -length
    for entry in ledger.entries:
        text = render_entry(entry).encode()
        if at >= 0 and sealed[at : at + len(text)] != text:
            return entry.entry_id
        at += len(text)
    return "what follows the last entry"


def _commits(repository: Repository, ledgers: Mapping[Kind, Ledger]) -> Iterator[Reason]:
    trees_of_runs: dict[str, str] = {}
    named: list[tuple[Ledger, Entry, str, str]] = []
    for ledger in ledgers.values():
        for entry in ledger.entries:
            said = entry.content.get
            if ledger.kind is Kind.BUILD:
                trees_of_runs[said("Run")] = said("Tree").strip("`")
                landed = _LANDED.findall(said("Phases"))
                named += [(ledger, entry, commit, verdict) for commit, verdict in landed]
            elif name := said("Commit").strip("`"):
                named.append((ledger, entry, name, said("Verdict").strip("`")))
    known = repository.commits({name for _, _, name, _ in named})
    lacking = {name for name, commit in known.items() if commit is None}
    trees = repository.trees() if lacking else frozenset()
    for ledger, entry, name, verdict in named:
        commit = known[name]
        if commit is not None and (
            not verdict or f"Autopack-Verdict: sha256:{verdict}" in commit.message.splitlines()
        ):
            continue
        if commit is None and trees_of_runs.get(entry.content.get("Run")) in trees:
            continue  # a forge squashed the run's commits into one, with the same tree
        place = (sources(ledger)[entry.entry_id], _line(repository, ledger, entry.entry_id))
        if commit is None:
            message = (
                f"{entry.entry_id} names commit {name[:12]}, which is not here, nor one with its run's tree"
            )
            yield Reason("COMMIT_NOT_FOUND", message, f"git fetch origin {name}", *place)
        else:
            message = f"{entry.entry_id} names a verdict that commit {name[:12]} does not carry"
            fix = f"git show --no-patch {name[:12]}   # then add an entry that supersedes {entry.entry_id}"
            yield Reason("VERDICT_NOT_CARRIED", message, fix, *place)


def _derived(repository: Repository, ledgers: Mapping[Kind, Ledger]) -> Iterator[Reason]:
    if not any(repository.read(about.path) is not None for about in LEDGERS.values()):
        return  # a repository that has not begun
    for path, wanted in render_derived(repository.read, ledgers).items():
        text = repository.read(path) or ""
        if text != wanted:
            lines = zip(text.split("\n"), wanted.split("\n"), strict=False)
            line = next(
                (n for n, (is_, should) in enumerate(lines, 1) if is_ != should), text.count("\n") + 1
            )
            said = "its generated block says other than the ledgers"
            yield Reason("LEDGER_INDEX_STALE", said, WRITE, path, line)
    readme = repository.read("README.md") or ""
    if SUMMARY_END in readme and SUMMARY_START not in readme:
        line = readme[: readme.index(SUMMARY_END)].count("\n") + 1
        fix = f"sed -i '{line}i {SUMMARY_START}' README.md && {WRITE}"
        yield Reason("LEDGER_INDEX_STALE", "the summary has an end and no start", fix, "README.md", line)


def _dead_links(repository: Repository) -> Iterator[Reason]:
    files = set(repository.paths())
    places = files | {parent.as_posix() for file in files for parent in PurePosixPath(file).parents}
    pages = [
        path
        for path in files
        if path == "README.md" or (path.startswith("docs/") and path.endswith(".md"))
        if (repository.root / path).is_file()
    ]

    def exists(path: str) -> bool:
        return path in places or (repository.root / path).exists()

    for page, line, said in dead_links(pages, repository.read, exists):
        yield Reason("LINK_DEAD", said, f"${{EDITOR:-vi}} +{line} {page}", page, line)


def _settings(repository: Repository) -> Iterator[Reason]:
    """Where the repository documents settings: every one that its files name is documented."""
    documented = repository.read(SETTINGS_PATH)
    if documented is None:
        return
    registry = set(re.findall(r"^\| `(AUTOPACK_[A-Z0-9_]+)` \|", documented, re.MULTILINE))
    if not registry:
        return
    told: set[str] = set()
    for path, line, name in repository.grep("AUTOPACK_[A-Z0-9_]*[A-Z0-9]"):
        # Other pages tell of what was, and of what is to come.
        prose = path.startswith("docs/") or path.endswith(".md")
        if prose or name in registry or name in told or _MARK.fullmatch(name):
            continue
        told.add(name)
        near = get_close_matches(name, registry, 1)
        yield Reason(
            "SETTING_UNDOCUMENTED",
            f"{name} is not in {SETTINGS_PATH}" + (f"; is {near[0]} meant?" if near else ""),
            f"${{EDITOR:-vi}} {SETTINGS_PATH}   # add a row for it",
            path,
            line,
        )


def _line(repository: Repository, ledger: Ledger, entry_id: str) -> int:
    """Where an entry's heading stands in its file; 0 for what is no entry."""
    path = sources(ledger).get(entry_id)
    text = (repository.read(path) or "") if path else ""
    at = text.find(f"\n## {entry_id}: ")
    return text.count("\n", 0, at + 1) + 1 if at >= 0 else 0
