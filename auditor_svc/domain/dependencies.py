"""Which packages a change brings in: read from the lists and locks of Python, npm and Rust projects."""

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

PYPI, NPM, CRATES = "PyPI", "npm", "crates.io"
"""Ecosystems by the names that OSV has for them."""
_REQUIREMENTS = re.compile(
    r"(^|[-_.])(requirements|constraints)[^/]*\.(txt|in|lock)$|^requirements/[^/]+\.txt$"
)
_NOT_READ = frozenset(
    {
        "Gemfile",
        "Gemfile.lock",
        "Pipfile",
        "build.gradle",
        "build.gradle.kts",
        "composer.json",
        "composer.lock",
        "go.mod",
        "go.sum",
        "mix.lock",
        "packages.lock.json",
        "pnpm-lock.yaml",
        "pom.xml",
        "setup.cfg",
        "setup.py",
        "yarn.lock",
    }
)
"""They can name dependencies, in forms that are not read here."""


@dataclass(frozen=True, slots=True)
class Dependency:
    """A package that a file names."""

    ecosystem: str
    name: str
    version: str = ""
    """Empty where a range, or nothing, is given."""
    license: str = ""
    """What the file says; empty where it says nothing."""


class Unreadable(ValueError):
    """The file names dependencies and cannot be read."""


def names_dependencies(path: str) -> bool:
    """Whether a file of that name is where dependencies are named, also where it is not read here."""
    return _reader(path) is not None or PurePosixPath(path).name in _NOT_READ


def dependencies(path: str, contents: bytes) -> frozenset[Dependency]:
    """What the file names. Raises Unreadable."""
    reader = _reader(path)
    if reader is None:
        raise Unreadable("files of this kind are not read")
    try:
        return frozenset(reader(contents.decode()))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Unreadable(f"it cannot be read: {type(error).__name__}") from error


def _reader(path: str) -> Callable[[str], Iterator[Dependency]] | None:
    name = PurePosixPath(path).name
    if _REQUIREMENTS.search(path.rsplit("/", 1)[-1]) or _REQUIREMENTS.search(path):
        return _requirements
    return _READERS.get(name)


def _requirements(text: str) -> Iterator[Dependency]:
    for line in text.replace("\\\n", " ").splitlines():
        words = re.split(r"\s(?:#|--hash|--config-settings)", f" {line}", maxsplit=1)[0].strip()
        if words and not words.startswith(("#", "-")):
            yield _required(words)


def canonical(ecosystem: str, name: str) -> str:
    """The name as its ecosystem compares it: PEP 503 for Python's."""
    return re.sub(r"[-_.]+", "-", name).lower() if ecosystem == PYPI else name


def _required(words: str) -> Dependency:
    from packaging.requirements import InvalidRequirement, Requirement  # 20 ms that most audits need not take

    try:
        found = Requirement(words)
    except InvalidRequirement as error:
        raise Unreadable("a requirement is not in the form of PEP 508") from error
    pinned = [each.version for each in found.specifier if each.operator in ("==", "===")]
    exact = pinned[0] if len(pinned) == 1 and not pinned[0].endswith(".*") else ""
    return Dependency(PYPI, canonical(PYPI, found.name), exact)


def _pyproject(text: str) -> Iterator[Dependency]:
    document = tomllib.loads(text)
    project = document.get("project", {})
    groups: list[Sequence[Any]] = [
        project.get("dependencies", []),
        *document.get("dependency-groups", {}).values(),
    ]
    groups += project.get("optional-dependencies", {}).values()
    groups.append(document.get("build-system", {}).get("requires", []))
    for group in groups:
        for words in group:
            if isinstance(words, str):
                yield _required(words)
    poetry = document.get("tool", {}).get("poetry", {})
    tables = [poetry.get("dependencies", {}), poetry.get("dev-dependencies", {})]
    tables += [group.get("dependencies", {}) for group in poetry.get("group", {}).values()]
    for name in (name for table in tables for name in table if name != "python"):
        yield Dependency(PYPI, canonical(PYPI, name))


def _locked(ecosystem: str) -> Callable[[str], Iterator[Dependency]]:
    def read(text: str) -> Iterator[Dependency]:
        for package in tomllib.loads(text).get("package", []):
            name = canonical(ecosystem, package["name"])
            yield Dependency(ecosystem, name, package.get("version", ""))

    return read


def _pipfile_lock(text: str) -> Iterator[Dependency]:
    document = json.loads(text)
    for group in ("default", "develop"):
        for name, package in document.get(group, {}).items():
            yield Dependency(PYPI, canonical(PYPI, name), package.get("version", "").removeprefix("=="))


def _package_json(text: str) -> Iterator[Dependency]:
    document = json.loads(text)
    for group in ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies"):
        for name, wanted in document.get(group, {}).items():
            yield Dependency(NPM, name, wanted if re.fullmatch(r"\d+\.\d+\.\d+[\w.+-]*", wanted) else "")


def _package_lock(text: str) -> Iterator[Dependency]:
    document = json.loads(text)
    if "packages" not in document:
        raise Unreadable("it is in the form of npm 6: npm install writes it anew")
    for place, package in document["packages"].items():
        if place and not package.get("link"):
            name = package.get("name") or place.rpartition("node_modules/")[2]
            yield Dependency(NPM, name, package.get("version", ""), _license(package))


def _license(package: Mapping[str, Any]) -> str:
    found = package.get("license", "")
    return found if isinstance(found, str) else str(found.get("type", ""))


_READERS: Mapping[str, Callable[[str], Iterator[Dependency]]] = {
    "pyproject.toml": _pyproject,
    "uv.lock": _locked(PYPI),
    "poetry.lock": _locked(PYPI),
    "pdm.lock": _locked(PYPI),
    "Cargo.lock": _locked(CRATES),
    "Pipfile.lock": _pipfile_lock,
    "package.json": _package_json,
    "package-lock.json": _package_lock,
    "npm-shrinkwrap.json": _package_lock,
}
