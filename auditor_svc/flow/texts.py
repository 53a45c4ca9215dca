"""What a template becomes when it is filled in: numbers are no danger, what is not known is a hole."""

import re
from collections.abc import Sequence

from auditor_svc.flow.matching import Arguments
from auditor_svc.flow.values import HOLE, NOTHING, Label, Value

_PERCENT = re.compile(r"%(?:\(\w+\))?[-#0 +]*[\d*]*(?:\.[\d*]+)?[hlL]?([diouxXeEfFgGcrsa%])")
_BRACES = re.compile(r"\{[^{}]*\}")


def percent(template: str, values: Sequence[Value]) -> str:
    """A %-format filled in: numbers are no danger, what is not known is a hole."""
    rest = list(values)

    def fill(match: re.Match[str]) -> str:
        if match[1] == "%":
            return "%"
        value = rest.pop(0) if rest else NOTHING
        return value.text if value.text is not None else HOLE

    return _PERCENT.sub(fill, template)


def formatted(arguments: Arguments, labels: frozenset[Label]) -> Value:
    rest = list(arguments.positional)

    def fill(match: re.Match[str]) -> str:
        key = match[0][1:-1].split(":")[0].split("!")[0]
        if key in arguments.keywords:
            value = arguments.keywords[key]
        elif key.isdecimal() and int(key) < len(arguments.positional):
            value = arguments.positional[int(key)]
        else:
            value = rest.pop(0) if rest and not key else NOTHING
        return value.text if value.text is not None else HOLE

    return Value(labels=labels, text=_BRACES.sub(fill, arguments.receiver.text or ""))
