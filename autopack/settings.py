"""Values of settings in the environment; each refusal (SETTING_INVALID) names the variable."""

from collections.abc import Mapping, Sequence

from autopack.errors import InvalidInput, Reason


def whole_number(environ: Mapping[str, str], name: str, default: int, least: int = 1) -> int:
    """Raises InvalidInput SETTING_INVALID."""
    text = environ.get(name, "").strip() or str(default)
    if not (text.isascii() and text.isdecimal() and len(text) < 20) or int(text) < least:
        raise _invalid(environ, name, f"give a whole number, at least {least}")
    return int(text)


def seconds(environ: Mapping[str, str], name: str, default: float, most: float = 1e9) -> float:
    """More than none, and at most so many. Raises InvalidInput SETTING_INVALID."""
    text = environ.get(name, "").strip() or str(default)
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value <= most:
        raise _invalid(environ, name, f"give a number of seconds, more than 0 and at most {most:g}")
    return value


def one_of(environ: Mapping[str, str], name: str, words: Sequence[str]) -> str | None:
    """The word, None where it is not set. Raises InvalidInput SETTING_INVALID."""
    text = environ.get(name, "").strip()
    if text and text not in words:
        raise _invalid(environ, name, f"give {' or '.join(words)}, or leave it out")
    return text or None


def _invalid(environ: Mapping[str, str], name: str, fix: str) -> InvalidInput:
    return InvalidInput(Reason("SETTING_INVALID", f"{name} is {environ[name][:100]!a}", fix))
