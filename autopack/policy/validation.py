"""Values checked against a document type, with every fault told as a reason in the document's own terms."""

import dataclasses
import types
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from autopack.errors import Reason

T = TypeVar("T")
Location = tuple[Hashable, ...]

_WANTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "dataclass_type": "a mapping",
}


def validate(
    document: type[T], data: object, code: str, source: str, line_of: Callable[[Location], int]
) -> tuple[T | None, list[Reason]]:
    """The value, or None and why not; `code` names faults that have no code of their own."""
    try:
        return adapter(document).validate_python(data), []
    except ValidationError as error:
        details = error.errors(include_url=False)
    reasons = []
    for detail in details:
        if detail["type"] == "too_short" and detail["input"]:
            continue  # pydantic counts only what was valid in it; those faults are told already
        location = tuple(detail["loc"])
        reasons.append(_reason(document, detail, location, code, source, line_of(location)))
    return None, reasons


@lru_cache
def _adapter(document: Any) -> TypeAdapter[Any]:
    return TypeAdapter(document)


def adapter(document: type[T]) -> TypeAdapter[T]:
    """The validator of a document type, built when first needed."""
    cached: Any = _adapter  # mypy takes a class with a type variable for unhashable
    adapter: TypeAdapter[T] = cached(document)
    return adapter


def nearest(word: str, valid: Iterable[str]) -> str:
    """The valid word most like `word`; empty where there is none."""
    return next(iter(get_close_matches(word, list(valid), n=1, cutoff=0.0)), "")


def listed(words: Iterable[str]) -> str:
    """Words for a message, in backticks."""
    return ", ".join(f"`{word}`" for word in words)


def shown(value: object) -> str:
    """A value for a message: short, printable, never a whole document."""
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, str):
        return f"the text {ascii(value) if len(value) <= 80 else ascii(value[:77]) + '...'}"
    if isinstance(value, Sequence):
        return "a list"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def named(document: type, location: Location) -> str:
    """A location as people write it: phases[0].builder.diff."""
    text, hint = "", document
    for part in location:
        if _is_union(hint):  # the part is only the tag that chose a member
            hint = _step(hint, part)
            continue
        hint = _step(hint, part)
        if part != "[key]":
            text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _reason(
    document: type, detail: ErrorDetails, location: Location, code: str, source: str, line: int
) -> Reason:
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    parent, key = named(document, location[:-1]), str(location[-1]) if location else ""
    where = f"{named(document, location)}: " if location else ""
    inside = f"{parent}: " if parent else ""
    if kind.isupper():
        return Reason(kind, where + str(context["message"]), str(context["fix"]), source, line)
    if kind == "unexpected_keyword_argument":
        valid = _keys(_walk(document, location[:-1]))
        fix = f"did you mean `{nearest(key, valid)}`? The keys here are {listed(valid)}"
        return Reason("UNKNOWN_KEY", f"{inside}unknown key `{_short(key)}`", fix, source, line)
    hint = _walk(document, location)
    description = _description(hint)
    if kind == "missing":
        fix = f"write `{key}`" + (f": {description}" if description else "")
        return Reason(code, f"{inside}`{key}` is missing", fix, source, line)
    if kind == "union_tag_not_found":
        return Reason(code, *_unknown_kind(where, hint, value), source, line)
    if kind == "literal_error":
        valid = [str(word) for word in _literals(hint)]
        message = f"{where}found {shown(value)}, wants {' or '.join(f'`{word}`' for word in valid)}"
        return Reason(code, message, f"did you mean `{nearest(str(value), valid)}`?", source, line)
    if kind in _WANTED:
        message = f"{where}wants {_WANTED[kind]}, found {shown(value)}"
        scalar = kind == "string_type" and isinstance(value, (bool, int, float))
        return Reason(
            code,
            message,
            "put it in quotes" if scalar else description or f"write {_WANTED[kind]}",
            source,
            line,
        )
    message = where + detail["msg"].replace("Input should", "must").replace("String should", "must")
    if kind == "string_pattern_mismatch":
        message = f"{where}{shown(value)} is not accepted"
    return Reason(code, message, description or "mend the value", source, line)


def _unknown_kind(where: str, hint: Any, value: object) -> tuple[str, str]:
    kinds = {word for member in _members(hint) for word in _literals(_step(member, "kind"))}
    words = sorted(map(str, kinds))
    given = value.get("kind") if isinstance(value, Mapping) else None
    alternative = ", or `use` with a builder that the policy names" if "patch" in words else ""
    fix = f"write `kind` with one of {listed(words)}{alternative}"
    if given is None:
        return f"{where}found {shown(value)} without `kind`", fix
    return f"{where}unknown kind, {shown(given)}", f"did you mean `{nearest(str(given), words)}`? {fix}"


def _walk(hint: Any, location: Location) -> Any:
    for part in location:
        hint = _step(hint, part)
    return hint


def _step(hint: Any, part: Hashable) -> Any:
    hint = _bare(hint)
    if _is_union(hint):
        return next((member for member in _members(hint) if _bare(member).__name__ == part), None)
    if dataclasses.is_dataclass(hint) and isinstance(part, str):
        return get_type_hints(hint, include_extras=True).get(part)
    arguments = get_args(hint)
    if get_origin(hint) is tuple:
        return arguments[0]
    if arguments:
        return arguments[0] if part == "[key]" else arguments[-1]
    return None


def _bare(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def _is_union(hint: Any) -> bool:
    members = _members(hint)
    return len(members) > 1 and all(dataclasses.is_dataclass(_bare(member)) for member in members)


def _members(hint: Any) -> tuple[Any, ...]:
    hint = _bare(hint)
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else ()


def _literals(hint: Any) -> tuple[Any, ...]:
    hint = _bare(hint)
    return get_args(hint) if get_origin(hint) is Literal else ()


def _keys(hint: Any) -> list[str]:
    hint = _bare(hint)
    return [field.name for field in dataclasses.fields(hint)] if dataclasses.is_dataclass(hint) else []


def _description(hint: Any) -> str:
    if get_origin(hint) is not Annotated:
        return ""
    for metadata in get_args(hint)[1:]:
        if isinstance(metadata, FieldInfo) and metadata.description:
            return metadata.description
    return ""


def _short(word: str) -> str:
    return word if len(word) <= 80 and word.isprintable() else ascii(word[:77]) + "..."
