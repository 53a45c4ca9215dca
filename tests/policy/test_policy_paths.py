"""Path rules: one canonical spelling, deny before allow, and protection that no spelling gets around."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopack.errors import InvalidInput
from autopack.policy.paths import (
    ALWAYS_PROTECTED,
    LEDGERS,
    PathRules,
    canonical_glob,
    canonical_path,
    ledger_rules,
    matches,
    refuse_all,
)

PROTECTED_FILES = [
    ".git/config",
    "sub/.git/hooks/pre-commit",
    ".autopack/state",
    "autopack.yaml",
    *LEDGERS,
    ".github/workflows/ci.yml",
    "packages/a/.github/workflows/ci.yml",
    ".gitlab-ci.yml",
    ".circleci/config.yml",
    "azure-pipelines.yml",
    "Jenkinsfile",
    ".buildkite/pipeline.yml",
    ".travis.yml",
    ".gitattributes",
    "src/.gitattributes",
    ".gitmodules",
]

names = st.text(alphabet="abcAB._- ", min_size=1, max_size=8).filter(lambda name: name not in (".", ".."))
paths = st.lists(names, min_size=1, max_size=4).map("/".join)


def code_of(path: str, rules: PathRules = PathRules()) -> str | None:  # noqa: B008  # frozen
    reason = rules.refuse(path)
    return reason.code if reason else None


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        ("src/a.py", "src/a.py"),
        ("./src/a.py", "src/a.py"),
        ("src//./a.py", "src/a.py"),
        ("ü/é.txt", "ü/é.txt"),
    ],
)
def test_harmless_spellings_become_canonical(raw: str, canonical: str) -> None:
    assert canonical_path(raw) == canonical


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("", "PATH_INVALID"),
        (".", "PATH_INVALID"),
        ("src/", "PATH_INVALID"),
        ("src\\a.py", "PATH_INVALID"),
        ("a\0b", "PATH_INVALID"),
        ("a\x1b[31mb", "PATH_INVALID"),
        ("a\ud800", "PATH_NOT_UTF8"),
        ("../x", "PATH_ESCAPES"),
        ("a/../../x", "PATH_ESCAPES"),
        ("a/../.git/x", "PATH_ESCAPES"),
        ("/etc/passwd", "PATH_ESCAPES"),
        ("./.git/x", "PATH_PROTECTED"),
        (".GIT/x", "PATH_PROTECTED"),
        ("a/.git", "PATH_PROTECTED"),
        ("a/.g\u200cit/x", "PATH_PROTECTED"),
        ("a/\uff0egit/x", "PATH_PROTECTED"),
        ("git~1/x", "PATH_PROTECTED"),
        (".git. /x", "PATH_PROTECTED"),
        (".git::$INDEX_ALLOCATION/x", "PATH_PROTECTED"),
        ("x" * 5000, "PATH_TOO_LONG"),
        ("x" * 256, "PATH_TOO_LONG"),
    ],
)
def test_what_escapes_or_is_no_path_is_refused(raw: str, code: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        canonical_path(raw)
    reason = caught.value.reasons[0]
    assert reason.code == code
    assert reason.fix
    assert reason.message.isprintable()


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        ("src/**", "src/**"),
        ("*.py", "*.py"),
        ("src/", "src/"),
        ("/README.md", "/README.md"),
        ("./README.md", "/README.md"),
        ("./src/a.py", "src/a.py"),
        ("!src/generated/**", "!src/generated/**"),
    ],
)
def test_patterns_are_gitignore_style_and_relative_to_the_root(raw: str, canonical: str) -> None:
    assert canonical_glob(raw) == canonical


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("../x", "PATH_ESCAPES"),
        ("src/../../x", "PATH_ESCAPES"),
        ("/etc/passwd", "PATH_ESCAPES"),
        ("./.git/x", "PATH_PROTECTED"),
        (".git/**", "PATH_PROTECTED"),
        ("a\0b", "PATH_INVALID"),
        ("x" * 5000, "PATH_TOO_LONG"),
        ("#comment", "PATTERN_INVALID"),
        ("!", "PATTERN_INVALID"),
        (" ", "PATTERN_INVALID"),
        ("/", "PATTERN_INVALID"),
        ("a\\", "PATTERN_INVALID"),
    ],
)
def test_patterns_that_escape_or_match_nothing_are_refused(raw: str, code: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        canonical_glob(raw)
    assert caught.value.reasons[0].code == code


def test_a_name_matches_at_any_depth_and_an_anchored_one_at_the_root_only() -> None:
    assert matches(("conftest.py",), "tests/deep/conftest.py")
    assert matches(("/conftest.py",), "conftest.py")
    assert not matches(("/conftest.py",), "tests/conftest.py")


@pytest.mark.parametrize("path", PROTECTED_FILES)
def test_what_is_always_protected_is_refused_whatever_the_policy_allows(path: str) -> None:
    assert code_of(path, PathRules(allow=("**", path), scope=("**", path))) == "PATH_PROTECTED"


def test_deny_beats_allow() -> None:
    rules = PathRules(allow=("deploy/**",), protect=("deploy/**",), scope=("deploy/**",))
    assert code_of("deploy/k8s.yaml", rules) == "PATH_PROTECTED"
    assert code_of("DEPLOY/k8s.yaml", PathRules(protect=("deploy/**",))) == "PATH_PROTECTED"


def test_a_scope_only_narrows_what_the_policy_allows() -> None:
    rules = PathRules(allow=("src/**",), scope=("src/a.py", "docs/**"))
    assert code_of("src/a.py", rules) is None
    assert code_of("src/b.py", rules) == "PATH_OUT_OF_SCOPE"
    assert code_of("docs/x.md", rules) == "PATH_NOT_ALLOWED"


def test_a_policy_that_allows_nothing_allows_nothing() -> None:
    assert code_of("src/a.py", PathRules(allow=())) == "PATH_NOT_ALLOWED"


def test_a_negated_pattern_takes_matches_back() -> None:
    rules = PathRules(allow=("src/**", "!src/generated/**"))
    assert code_of("src/a.py", rules) is None
    assert code_of("src/generated/a.py", rules) == "PATH_NOT_ALLOWED"


def test_only_the_ledger_rules_let_ledgers_through_and_nothing_else() -> None:
    written = [*LEDGERS, "docs/DEBUG_LOG_2025.md", "README.md"]
    others = ["docs/build_history.md", "autopack.yaml", "docs/DEBUG_LOG_old.md", "src/a.py", "sub/README.md"]
    rules = ledger_rules([*written, *others])
    assert [code_of(path, rules) for path in written] == [None] * len(written)
    assert [code_of(path, rules) for path in others] == [*["PATH_PROTECTED"] * 2, *["PATH_NOT_ALLOWED"] * 3]
    assert code_of("docs/DEBUG_LOG_2025.md", PathRules()) == "PATH_PROTECTED"


def test_refuse_all_names_every_path_that_is_refused() -> None:
    refused = refuse_all(PathRules(), ["a", "autopack.yaml", "b", ".github/x"])
    assert [reason.path for reason in refused] == ["autopack.yaml", ".github/x"]


@given(st.text(max_size=40) | paths)
def test_the_canonical_spelling_of_a_canonical_path_is_itself(raw: str) -> None:
    try:
        path = canonical_path(raw)
    except InvalidInput:
        return
    assert canonical_path(path) == path
    assert not path.startswith("/")
    assert ".." not in path.split("/")


def respell(path: str, data: st.DataObject) -> str:
    """Another spelling that some system takes for the same path."""
    parts: list[str] = []
    for name in path.split("/"):
        ignorable = data.draw(st.sampled_from(["", "\u200b", "\u200d", "\ufeff"]))
        at = data.draw(st.integers(0, len(name)))
        name = name[:at] + ignorable + name[at:]
        name = "".join(data.draw(st.sampled_from([c, c.upper(), c.lower()])) for c in name)
        name += data.draw(st.sampled_from(["", ".", " ", ". .", "::$DATA"]))
        parts += data.draw(st.sampled_from([[], ["."], [""]])) if parts else []
        parts.append(name)
    return data.draw(st.sampled_from(["", "./", ".//"])) + "/".join(parts)


@given(path=st.sampled_from(PROTECTED_FILES), data=st.data())
def test_no_spelling_of_a_protected_path_gets_through(path: str, data: st.DataObject) -> None:
    rules = PathRules(allow=("**",), scope=("**",))
    assert rules.refuse(respell(path, data)) is not None


@given(path=paths, globs=st.lists(st.sampled_from(["**", "a*", "A/**", "b", "*.c", "!a"]), max_size=4))
def test_whatever_is_protected_is_refused_whatever_is_allowed(path: str, globs: list[str]) -> None:
    protect = tuple(globs)
    if PathRules(protect=protect).refuse(path) is not None:
        assert PathRules(allow=(*protect, "**"), protect=protect, scope=("**",)).refuse(path) is not None
    else:
        assert not matches(protect, canonical_path(path))


def test_the_list_of_what_is_always_protected_is_complete() -> None:
    wanted = {".git", ".autopack", "/autopack.yaml", ".gitattributes", ".gitmodules", ".github", *LEDGERS}
    assert wanted <= set(ALWAYS_PROTECTED)
