"""Which new modules would be imported in place of others: of the test runner, the library, or the product."""

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePosixPath

from autopack.errors import Reason
from gate_svc.domain.change import SYMLINK, ChangedFile
from gate_svc.domain.ruling import Ruling, ask, refuse

_RUNNERS = frozenset(
    # What runs and starts the tests, and what that imports.
    (
        *(
            "pytest",
            "_pytest",
            "pluggy",
            "iniconfig",
            "packaging",
            "exceptiongroup",
            "tomli",
            "pygments",
            "py",
        ),
        *("unittest", "doctest", "coverage", "hypothesis", "xdist", "pytest_asyncio", "pytest_cov", "anyio"),
        *("autopack_pytest", "autopack_blind", "sitecustomize", "usercustomize", "_distutils_hack"),
    )
)
# `test` is what many projects call their own tests; Python's own is imported by nobody.
_LIBRARY = sys.stdlib_module_names - _RUNNERS - {"test", "this", "antigravity"}
_NOT_IMPORTED = frozenset(("conftest", "setup", "noxfile", "__init__", "__main__", "tests", "test"))
_ROOTS = ("", "src", "lib")
"""Where product code is imported from."""


def shadowing(files: Iterable[ChangedFile], names_in: Callable[[str], Iterable[str]]) -> Iterator[Ruling]:
    """What there is to say on new modules; `names_in` gives the names in a directory of the head.

    A test's directory is a place to import from as well, unless it is a package.
    """
    for file in files:
        path = PurePosixPath(file.path)
        if not file.added or (path.suffix != ".py" and file.new_mode != SYMLINK):
            continue
        place, module = path.parent, path.stem
        if module == "__init__" and place.name:
            place, module = place.parent, place.name
        directory = "" if place == PurePosixPath() else str(place)
        if directory not in _ROOTS and not _is_imported_from(directory, names_in):
            continue
        if ruling := _judge(file.path, directory, module, names_in):
            yield ruling


def _judge(path: str, directory: str, module: str, names_in: Callable[[str], Iterable[str]]) -> Ruling | None:
    fix = "give it another name"
    if module.lower() in _RUNNERS:
        message = f"{module} would be imported in place of what runs the tests"
        return refuse(Reason("SHADOWS_RUNNER", message, fix, path=path))
    if module in _LIBRARY:
        message = f"{module} would be imported in place of Python's own"
        return ask(Reason("SHADOWS_LIBRARY", message, f"{fix}, or approve the change", path=path))
    if module in _NOT_IMPORTED:
        return None
    for root in _ROOTS:
        others = set(names_in(root)) & (
            {module, f"{module}.py"} if root != directory else _beside(path, module)
        )
        for other in sorted(others):
            place = f"{root}/{other}".lstrip("/")
            if other == module and not any(name.endswith(".py") for name in names_in(place)):
                continue
            message = f"{module} would be imported in place of {place}, or the other way round"
            return ask(Reason("SHADOWS_PRODUCT", message, f"{fix}, or approve the change", path=path))
    return None


def _beside(path: str, module: str) -> set[str]:
    """In one directory a package comes before a module of its name."""
    return {f"{module}.py"} if path.endswith("/__init__.py") else {module}


def _is_imported_from(directory: str, names_in: Callable[[str], Iterable[str]]) -> bool:
    """Whether a test runner puts this directory before all others: it holds tests and is no package."""
    names = set(names_in(directory))
    tests = any(
        name.startswith("test_") or name.endswith("_test.py") for name in names if name.endswith(".py")
    )
    return "__init__.py" not in names and (tests or "conftest.py" in names)
