"""Refuses a repository with pipes in the place of files: git's library would wait for ever to open them."""

import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from autopack.errors import InvalidInput, Reason

_TEXT_BYTES = 1_000_000
_INCLUDES = 50
"""Files of configuration that are followed."""
_NAMED = re.compile(r"(?:^|\])[ \t]*(?:path|excludesfile|attributesfile)[ \t]*=[ \t]*([^\n;#]*)", re.I | re.M)
_READ_IN_WORK_TREES = (".gitignore", ".gitattributes", ".gitmodules")


def refuse_pipes(path: Path) -> None:
    """Looks at what is read of a repository at or above `path`. Raises InvalidInput `PIPE_IN_REPOSITORY`."""
    for place in (path, *path.parents):
        link = place / ".git"
        if os.path.lexists(link):
            _refuse(link)
            _look_through(link if link.is_dir() else place / _text(link).removeprefix("gitdir:").strip())
            return
        if (place / "objects").is_dir() and os.path.lexists(place / "HEAD"):
            _look_through(place)
            return


def refuse_pipes_in_work_tree(work_tree: Path, is_ignored: Callable[[str], bool]) -> None:
    """Looks at what `status` reads of a work tree, which is nothing in directories that are ignored.

    Raises InvalidInput `PIPE_IN_REPOSITORY`.
    """
    for directory, directories, names in os.walk(work_tree):
        for name in _READ_IN_WORK_TREES:
            if name in names:
                _refuse(Path(directory, name))
        place = "" if directory == str(work_tree) else f"{os.path.relpath(directory, work_tree)}/"
        directories[:] = [
            name for name in directories if name != ".git" and not is_ignored(f"{place}{name}/")
        ]


def _look_through(git_directory: Path) -> None:
    common = git_directory
    if os.path.lexists(git_directory / "commondir"):
        _refuse(git_directory / "commondir")
        common = git_directory / _text(git_directory / "commondir").strip()
    for directory in dict.fromkeys((git_directory, common)):
        for file in _files(directory):
            _refuse(file)
        _refuse_configured(directory)


def _files(directory: Path) -> Iterator[Path]:
    for name in ("", "info", "objects/info", "objects/pack"):
        yield from _entries(directory / name)
    for kind in ("refs", "rebase-merge", "rebase-apply"):
        for parent, _, names in os.walk(directory / kind):
            yield from (Path(parent, name) for name in names)
    for place in _entries(directory / "objects"):
        if len(place.name) == 2:
            yield from _entries(place)


def _entries(place: Path) -> Iterator[Path]:
    try:
        with os.scandir(place) as found:
            # Of thousands of loose objects, what is plainly a file needs no second look.
            yield from (
                Path(each.path)
                for each in found
                if len(place.name) != 2 or not each.is_file(follow_symlinks=False)
            )
    except (FileNotFoundError, NotADirectoryError):
        return


def _refuse_configured(directory: Path) -> None:
    """Follows what the configuration names as the library does."""
    pending = [directory / "config", directory / "config.worktree"]
    seen: set[Path] = set()
    while pending and len(seen) < _INCLUDES:
        file = pending.pop()
        if file in seen or not os.path.lexists(file):
            continue
        seen.add(file)
        _refuse(file)
        if file.is_file():
            named = _NAMED.findall(_text(file).replace("\\\n", ""))
            pending += [file.parent / os.path.expanduser(name.strip().strip('"')) for name in named]


def _refuse(file: Path) -> None:
    try:
        waits = stat.S_ISFIFO(file.stat().st_mode)
    except OSError:
        return  # nothing is there to wait for
    if waits:
        fix = "somebody has put it there: look at the repository with care, or clone it"
        raise InvalidInput(Reason("PIPE_IN_REPOSITORY", f"{file} is a pipe", fix, path=str(file)))


def _text(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return opened.read(_TEXT_BYTES).decode(errors="replace")
    except OSError:
        return ""
