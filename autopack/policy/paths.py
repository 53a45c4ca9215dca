"""Which paths a change may touch: one canonical spelling, deny before allow, and what is always protected."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from pathspec import GitIgnoreSpec

from autopack.errors import InvalidInput, Reason

MAXIMUM_PATH_BYTES = 4096
MAXIMUM_NAME_BYTES = 255

LEDGERS = (
    "docs/BUILD_HISTORY.md",
    "docs/DEBUG_LOG.md",
    "docs/ARCHITECTURE_DECISIONS.md",
    "docs/CHANGELOG.md",
    "docs/INDEX.md",
)
"""Written by tidy alone; and so is, of a long history, a file for each past year:"""
LEDGER_YEARS = tuple(
    f"docs/{name}_[0-9][0-9][0-9][0-9].md"
    for name in ("BUILD_HISTORY", "DEBUG_LOG", "ARCHITECTURE_DECISIONS")
)

POLICY_FILES = ("/autopack.yaml", ".autopack")

CI_FILES = (
    ".github",
    ".gitlab-ci.yml",
    ".gitlab-ci.yaml",
    ".gitlab",
    ".circleci",
    "azure-pipelines.yml",
    "azure-pipelines.yaml",
    ".azure-pipelines",
    "Jenkinsfile",
    ".buildkite",
    ".travis.yml",
    "appveyor.yml",
    ".appveyor.yml",
    "bitbucket-pipelines.yml",
    ".drone.yml",
    ".woodpecker",
    ".woodpecker.yml",
    ".woodpecker.yaml",
    ".teamcity",
    ".tekton",
    "cloudbuild.yaml",
    "cloudbuild.yml",
    "buildspec.yml",
    ".cirrus.yml",
    ".semaphore",
    ".forgejo",
    ".gitea",
)
"""At any depth: many of these systems are pointed at files below the root."""

ALWAYS_PROTECTED = (
    ".git",
    ".gitattributes",
    ".gitmodules",
    *POLICY_FILES,
    *LEDGERS,
    *LEDGER_YEARS,
    *CI_FILES,
)
"""Whatever the policy names; matched case-insensitively."""


def canonical_path(raw: str) -> str:
    """The one spelling of a file's path relative to the repository's root.

    Raises InvalidInput PATH_INVALID, PATH_NOT_UTF8, PATH_TOO_LONG, PATH_ESCAPES and, inside a `.git`,
    PATH_PROTECTED.
    """
    shown = _shown(raw)
    parts = _parts(raw, shown)
    if not parts:
        raise _refusal("PATH_INVALID", f"{shown} names no file", "name a file relative to the root")
    if raw.endswith(("/", "/.")):
        raise _refusal("PATH_INVALID", f"{shown} names a directory", "name a file")
    if "\\" in raw:
        raise _refusal("PATH_INVALID", f"{shown} has a backslash", "separate with `/`")
    if raw.startswith("/"):
        raise _refusal("PATH_ESCAPES", f"{shown} is absolute", "name it relative to the repository's root")
    return "/".join(parts)


def canonical_glob(raw: str) -> str:
    """The one spelling of a gitignore-style pattern relative to the root; a leading `!` takes matches back.

    Raises InvalidInput PATTERN_INVALID and what `canonical_path` raises.
    """
    shown = _shown(raw)
    negation, rest = ("!", raw[1:]) if raw.startswith("!") else ("", raw)
    parts = _parts(rest, shown)
    if not parts or rest.startswith("#") or rest != rest.strip():
        raise _refusal(
            "PATTERN_INVALID", f"{shown} matches nothing", "write a gitignore-style pattern such as src/**"
        )
    anchored = rest.startswith(("/", "./"))
    if rest.startswith("/") and len(parts) > 1:
        raise _refusal(
            "PATH_ESCAPES",
            f"{shown} is absolute",
            f"patterns are relative to the repository's root: write {_shown('/'.join(parts))}",
        )
    glob = "/".join(parts) + ("/" if rest.endswith("/") else "")
    if anchored and len(parts) == 1:
        glob = "/" + glob
    try:
        GitIgnoreSpec.from_lines([negation + glob])
    except ValueError as error:
        raise _refusal(
            "PATTERN_INVALID", f"{shown} is not a gitignore-style pattern: {error}", "mend it"
        ) from None
    return negation + glob


def matches(globs: tuple[str, ...], path: str) -> bool:
    """Whether a canonical path matches gitignore-style patterns; the last one that matches wins."""
    return _compile(globs).match_file(path)


def matches_any_case(globs: tuple[str, ...], path: str) -> bool:
    """Like `matches`, and also for every spelling that some file system takes for the same path."""
    return matches(globs, path) or _compile_folded(globs).match_file(_fold(path))


@dataclass(frozen=True, slots=True)
class PathRules:
    """What one change may touch. Deny beats allow, and what is always protected beats everything."""

    allow: tuple[str, ...] = ("**",)
    """The policy's patterns; nothing matches an empty tuple."""
    protect: tuple[str, ...] = ()
    """The policy's patterns, beside ALWAYS_PROTECTED."""
    scope: tuple[str, ...] = ()
    """The phase's patterns; empty means all that the policy allows."""
    exempt: tuple[str, ...] = ()
    """Exact paths that are not protected here: for internal runs only, never from a plan or a policy."""

    def refuse(self, path: str) -> Reason | None:
        """Why a change may not touch `path`, or None."""
        try:
            path = canonical_path(path)
        except InvalidInput as error:
            return error.reasons[0]
        protected = matches_any_case(ALWAYS_PROTECTED, path) or matches_any_case(self.protect, path)
        if protected and path not in self.exempt:
            return Reason(
                "PATH_PROTECTED",
                f"{_shown(path)} is protected",
                "leave it alone in a plan; a person changes it in a commit of their own",
                path=path,
            )
        if not matches(self.allow, path):
            return Reason(
                "PATH_NOT_ALLOWED",
                f"{_shown(path)} is outside the policy's paths.allow",
                "change something else, or widen paths.allow in autopack.yaml",
                path=path,
            )
        if self.scope and not matches(self.scope, path):
            return Reason(
                "PATH_OUT_OF_SCOPE",
                f"{_shown(path)} is outside the phase's scope",
                "change only what scope.paths names, or widen it in the plan",
                path=path,
            )
        return None


LEDGER_GLOBS = tuple("/" + path for path in (*LEDGERS, *LEDGER_YEARS, "README.md"))
"""All that tidy writes; of the README, its summary."""


def ledger_rules(paths: Iterable[str]) -> PathRules:
    """For the internal run by which tidy lands entries: what of these paths is a ledger's is exempt."""
    return PathRules(allow=LEDGER_GLOBS, exempt=tuple(path for path in paths if matches(LEDGER_GLOBS, path)))


def refuse_all(rules: PathRules, paths: Iterable[str]) -> tuple[Reason, ...]:
    """Every path's refusal, in order."""
    return tuple(reason for path in paths if (reason := rules.refuse(path)) is not None)


def _parts(raw: str, shown: str) -> list[str]:
    try:
        length = len(raw.encode())
    except UnicodeEncodeError:
        raise _refusal("PATH_NOT_UTF8", f"{shown} is not UTF-8", "rename the file") from None
    if length > MAXIMUM_PATH_BYTES:
        raise _refusal("PATH_TOO_LONG", f"{shown} has {length} bytes", f"keep it under {MAXIMUM_PATH_BYTES}")
    if any(unicodedata.category(character) == "Cc" for character in raw):
        raise _refusal("PATH_INVALID", f"{shown} has control characters", "rename the file")
    parts = [part for part in raw.split("/") if part not in ("", ".")]
    for part in parts:
        if part == "..":
            raise _refusal("PATH_ESCAPES", f"{shown} has `..` in it", "name it from the root, without `..`")
        if len(part.encode()) > MAXIMUM_NAME_BYTES:
            raise _refusal(
                "PATH_TOO_LONG", f"{shown} has a name over {MAXIMUM_NAME_BYTES} bytes", "shorten it"
            )
        if _fold_name(part) in (".git", "git~1"):
            raise _refusal("PATH_PROTECTED", f"{shown} is inside a .git directory", "leave it alone")
    return parts


def _fold(path: str) -> str:
    return "/".join(map(_fold_name, path.split("/")))


def _fold_name(name: str) -> str:
    """What HFS+, NTFS and case-blind file systems make of a name: they drop case, ignorables and tails."""
    return _fold_text(name).split(":")[0].rstrip(" .")


def _fold_text(text: str) -> str:
    visible = "".join(character for character in text if unicodedata.category(character) != "Cf")
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", visible).casefold())


@lru_cache(maxsize=256)
def _compile_folded(globs: tuple[str, ...]) -> GitIgnoreSpec:
    return _compile(tuple(map(_fold_text, globs)))


@lru_cache(maxsize=256)
def _compile(globs: tuple[str, ...]) -> GitIgnoreSpec:
    return GitIgnoreSpec.from_lines(globs)


def _shown(raw: str) -> str:
    text = raw if len(raw) <= 120 else raw[:117] + "..."
    return ascii(text) if not text.isprintable() else f"`{text}`"


def _refusal(code: str, message: str, fix: str) -> InvalidInput:
    return InvalidInput(Reason(code, message, fix))
