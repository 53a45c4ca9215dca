"""Opens repositories with libgit2 so that nothing outside the repository itself is read or trusted."""

from pathlib import Path

import pygit2
from pygit2.enums import ConfigLevel

# Configuration of the machine or its user must not change what a store holds or means.
for _level in (ConfigLevel.PROGRAMDATA, ConfigLevel.SYSTEM, ConfigLevel.XDG, ConfigLevel.GLOBAL):
    pygit2.settings.search_path[_level] = ""
# A service may read a repository that another user owns; libgit2 executes nothing that its
# configuration names, which is what the check is there for.
pygit2.settings.owner_validation = False


def open_repository(path: Path) -> pygit2.Repository:
    """Opens the repository whose git directory or work tree is exactly `path`.

    Raises pygit2.GitError.
    """
    return pygit2.Repository(str(path), pygit2.enums.RepositoryOpenFlag.NO_SEARCH)


def common_directory(repository: pygit2.Repository) -> Path:
    """Where objects and branches are: the git directory that all work trees of a repository share."""
    own = Path(repository.path)
    try:
        return own / (own / "commondir").read_text().strip()
    except OSError:
        return own
