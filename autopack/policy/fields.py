"""The words that plans and policies are made of, as types that pydantic validates and describes."""

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, Strict
from pydantic_core import PydanticCustomError

from autopack.errors import InvalidInput
from autopack.policy.paths import canonical_glob, canonical_path

CLOSED = ConfigDict(extra="forbid")
"""Configuration of every document type: unknown keys are errors."""


def _with_reason(check: Callable[[str], str]) -> Callable[[str], str]:
    """`check`, raising its InvalidInput as what pydantic collects; the reason's code is the error's type."""

    def validate(value: str) -> str:
        try:
            return check(value)
        except InvalidInput as error:
            reason = error.reasons[0]
            context = {"message": reason.message, "fix": reason.fix}
            raise PydanticCustomError(reason.code, "{message}", context) from None

    return validate


def _version(value: object) -> object:
    if type(value) is not int or value != 1:  # True and 1.0 equal 1
        context = {
            "message": "this Autopack reads version 1",
            "fix": "write `version: 1`, or take a newer Autopack",
        }
        raise PydanticCustomError("UNKNOWN_VERSION", "{message}", context)
    return value


def _reports(value: str) -> str:
    if value.startswith("junit:"):
        return "junit:" + canonical_path(value.removeprefix("junit:"))
    return value


Version = Annotated[Literal[1], BeforeValidator(_version)]
Words = Annotated[str, Field(pattern=r"^[^\x00]*$", description="text without NUL characters")]
Revision = Annotated[
    str,
    Field(
        pattern=r"^[^-\x00-\x1f\x7f][^\x00-\x1f\x7f]{0,499}$",
        description="a revision in git's notation that does not begin with a dash",
    ),
]
Identifier = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9][a-z0-9._-]{0,99}$",
        description="lower-case letters, digits, `.`, `_` and `-`, at most 100",
    ),
]
Category = Annotated[
    str,
    Field(pattern=r"^[a-z][a-z0-9_]{0,63}$", description="lower-case letters, digits and `_`, as bug_fix"),
]
Glob = Annotated[
    str,
    AfterValidator(_with_reason(canonical_glob)),
    Field(min_length=1, description="a gitignore-style pattern relative to the repository's root"),
]
Globs = Annotated[tuple[Glob, ...], Field(max_length=1000)]
FilePath = Annotated[
    str,
    AfterValidator(_with_reason(canonical_path)),
    Field(min_length=1, description="a path relative to the repository's root"),
]
ShellLine = Annotated[
    str,
    Field(
        min_length=1,
        max_length=100_000,
        pattern=r"^[^\x00]*$",
        description="a shell line, run by `sh -ec` in the sandbox",
    ),
]
Reports = Annotated[
    str,
    AfterValidator(_with_reason(_reports)),
    Field(
        pattern=r"^(pytest|unittest|tap|none|junit:.+)?$",
        description="pytest, unittest, junit:PATH, tap or none; left out, it is told from `run`",
    ),
]
Count = Annotated[int, Strict(), Field(ge=0, le=10**15)]
Flag = Annotated[bool, Strict()]
Money = Annotated[float, Strict(), Field(ge=0, allow_inf_nan=False, description="United States dollars")]
