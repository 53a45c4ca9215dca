"""Templates for names, constants, containers and calls: what else may have been meant."""

from collections.abc import Iterator

import libcst as cst

from .ingredients import NUMBERS, SEQUENCES
from .site import NUMERIC_PLACES, Site, Variant

_BUILTINS = (
    ("any", "all"),
    ("min", "max"),
    ("sorted", "reversed", "list", "set", "tuple"),
    ("int", "float", "round", "str", "abs", "ord"),
    ("len", "sum", "max", "min"),
    ("isinstance", "issubclass"),
    ("enumerate", "zip", "range"),
    ("floor", "ceil", "trunc", "round"),
    ("dict", "set", "list"),
)
_METHODS = (
    ("append", "extend", "add", "appendleft", "insert", "update"),
    ("pop", "popleft", "popitem", "remove", "discard", "get"),
    ("strip", "lstrip", "rstrip", "removeprefix", "removesuffix"),
    ("lower", "upper", "title", "capitalize", "casefold", "swapcase"),
    ("startswith", "endswith"),
    ("find", "rfind", "index", "rindex", "count"),
    ("split", "rsplit", "splitlines", "partition", "rpartition"),
    ("keys", "values", "items"),
    ("union", "intersection", "difference", "symmetric_difference"),
    ("issubset", "issuperset", "isdisjoint"),
    ("isalpha", "isalnum", "isdigit", "isdecimal", "isnumeric", "isupper", "islower", "isspace"),
    ("heappop", "heappush", "heappushpop", "heapreplace", "heapify"),
    ("nlargest", "nsmallest"),
    ("bisect_left", "bisect_right", "bisect", "insort"),
    ("ljust", "rjust", "center"),
    ("search", "match", "fullmatch", "findall"),
    ("setdefault", "get", "pop"),
)
_QUANTITIES = (
    cst.Name,
    cst.Integer,
    cst.Call,
    cst.Subscript,
    cst.Attribute,
    cst.BinaryOperation,
    cst.List,
    cst.ListComp,
    cst.SimpleString,
    cst.FormattedString,
)
"""What may have something added to it."""
_WRAPPERS = ("abs", "int", "str", "len", "list", "set", "tuple", "sorted", "sum", "reversed", "bool", "float")


def values(site: Site) -> Iterator[Variant]:
    """Whatever an expression without an operator at its top may have been meant to be."""
    if site.is_target:
        yield from _targets(site)
        return
    match site.node:
        case cst.Name(value="True" | "False" | "None"):
            yield from _singletons(site)
        case cst.Name():
            yield from _names(site, site.node.value)
        case cst.Integer():
            yield from _integers(site, site.node.evaluated_value)
        case cst.Float():
            number = site.node.evaluated_value
            yield from (
                ("constant", repr(value), 2.8) for value in (number + 1, number - 1, 0.0, 1.0, -number)
            )
            yield from (("constant", repr(value), 3.2) for value in (number * 10, number / 10, number * 100))
        case cst.SimpleString():
            others = [text for text in site.ingredients.strings if text != site.text]
            yield from (("constant", text, 3.0) for text in (*others, '""', '" "') if text != site.text)
        case cst.List() | cst.Tuple() | cst.Set():
            yield from _elements(site, site.node)
        case cst.Call():
            yield from _calls(site, site.node)
        case cst.Subscript():
            yield from _subscripts(site, site.node)
        case cst.Attribute():
            yield from _attributes(site, site.node)


def replacements(site: Site) -> Iterator[Variant]:
    """Another expression of the function in place of this one, more or less of it, or a call around it."""
    if site.is_target or site.is_called or isinstance(site.parent, (cst.Attribute, cst.Annotation)):
        return
    text, ingredients = site.text, site.ingredients
    if isinstance(site.node, _QUANTITIES):
        yield from _more_or_less(site)
    for donor, kind in ingredients.donors:
        if donor != text:
            yield "other-expression", donor, 3.1 if isinstance(site.node, kind) else 3.7
    if not isinstance(site.node, cst.Name):
        for name in ingredients.names:
            if name != text:
                yield "expression-to-name", name, 3.2
    if isinstance(
        site.parent, (cst.Arg, cst.Assign, cst.Return, cst.AugAssign, cst.Yield, cst.BinaryOperation)
    ):
        bounds = [name for name in ingredients.names if ingredients.may_be(name, NUMBERS)]
        for bound in ("0", *bounds):
            if bound != text:
                yield "bound", f"max({bound}, {text})", 3.0
                yield "bound", f"min({bound}, {text})", 3.1
        for function in ingredients.functions:
            yield "wrap-call", f"{function}({text})", 3.4
        for function in _WRAPPERS:
            yield "wrap-call", f"{function}({text})", 3.6
    if isinstance(site.parent, (cst.Return, cst.Yield, cst.Arg, cst.Assign)):
        yield "wrap-list", f"[{text}]", 3.0
    if isinstance(site.parent, (cst.Return, cst.Assign)):
        for condition, cost in ingredients.conditions:
            if isinstance(site.node, cst.Name) and site.node.value in ("True", "False"):
                yield "constant-to-condition", condition, 2.6 + cost


def _more_or_less(site: Site) -> Iterator[Variant]:
    """A step, or another quantity, added or taken away."""
    if not isinstance(site.parent, (*NUMERIC_PLACES, cst.Assign, cst.Comparison, cst.AugAssign)):
        return
    text, ingredients = site.text, site.ingredients
    own = ingredients.kinds(text) if isinstance(site.node, cst.Name) else frozenset()
    if own and not own & NUMBERS:
        sequence = bool(own & SEQUENCES)
    elif isinstance(site.node, (cst.List, cst.ListComp, cst.SimpleString, cst.FormattedString)):
        sequence = True
    else:
        sequence = False
        near = isinstance(site.parent, (cst.Index, cst.Slice, cst.Arg, cst.ComparisonTarget, cst.Comparison))
        if not isinstance(site.node, cst.Integer):
            yield "off-by-one", f"{text} + 1", 1.8 if near else 2.4
            yield "off-by-one", f"{text} - 1", 1.8 if near else 2.4
            yield "power", f"{text} ** 2", 3.2
            yield "negative", f"-{text}", 2.8
    for name in ingredients.names:
        if own and ingredients.kinds(name) and not own & ingredients.kinds(name):
            continue
        cost = 2.7 if own & ingredients.kinds(name) else 3.3
        yield "add-term", f"{text} + {name}", cost
        yield "add-term", f"{name} + {text}", cost + (0.2 if sequence else 0.9)
        if not sequence:
            yield "add-term", f"{text} - {name}", cost
            yield "multiply", f"{text} * {name}", cost + 0.5
            yield "divide", f"{text} // {name}", cost + 0.9


def _names(site: Site, name: str) -> Iterator[Variant]:
    ingredients = site.ingredients
    if site.is_called or name in ingredients.functions:
        for group in _BUILTINS:
            if name in group:
                yield from (("other-function", other, 1.8) for other in group if other != name)
        yield from (("other-function", other, 2.4) for other in ingredients.functions if other != name)
        if site.is_called:
            return
    for other in ingredients.names:
        if other != name:
            known = ingredients.kinds(name) and ingredients.kinds(other)
            alike = ingredients.kinds(name) & ingredients.kinds(other)
            yield "other-name", other, 1.6 if alike else 3.2 if known else 2.1
    if name in ingredients.own_attributes:
        yield "self", f"self.{name}", 1.8
    if isinstance(site.parent, (cst.Annotation, cst.Attribute)):
        return
    for attribute in ingredients.attributes:
        if not ingredients.kinds(name) & NUMBERS:
            yield "attribute", f"{name}.{attribute}", 3.3
    if ingredients.may_be(name, SEQUENCES):
        numbers = [other for other in ingredients.names if "int" in ingredients.kinds(other)]
        cost = 2.5 if ingredients.kinds(name) & SEQUENCES else 3.4
        call = (
            next(iter(site.source.ancestors(site.parent)), None) if isinstance(site.parent, cst.Arg) else None
        )
        counted = isinstance(call, cst.Call) and site.code(call.func) == "len"
        for text in (f"{name}[1:]", f"{name}[:-1]", f"{name}[:]"):
            yield "slice", text, cost + 0.8 * counted
        for text in (f"{name}[0]", f"{name}[-1]", f"{name}[::-1]", f"len({name})", f"{name}.copy()"):
            yield "part", text, cost + 0.6
        for number in numbers:
            yield "slice", f"{name}[{number}:]", cost + 0.3
            yield "slice", f"{name}[:{number}]", cost + 0.3
            yield "index", f"{name}[{number}]", cost + 0.6
    for container in ingredients.names:
        if container != name and ingredients.kinds(container) & {"dict", "defaultdict", "list"}:
            yield "look-up", f"{container}[{name}]", 3.2


def _singletons(site: Site) -> Iterator[Variant]:
    text = site.text
    if text != "None":
        yield "flip", "False" if text == "True" else "True", 1.5
        yield from (("constant-to-name", name, 3.0) for name in site.ingredients.names)
    else:
        yield from (("constant", other, 3.0) for other in ("[]", "0", '""', "{}", "False", "True"))
        yield from (("constant-to-name", name, 2.8) for name in site.ingredients.names)


def _integers(site: Site, value: int) -> Iterator[Variant]:
    yield "off-by-one", str(value + 1), 1.6
    yield "off-by-one", str(value - 1), 1.6
    for other, cost in ((0, 2.2), (1, 2.2), (-value, 2.4), (2, 2.8), (value * 2, 3.2), (value * 10, 3.2)):
        if other not in (value, value + 1, value - 1):
            yield "constant", str(other), cost
    if value in (0, 1):
        yield "infinity", "float('inf')", 3.4
        yield "infinity", "float('-inf')", 3.6
    for name in site.ingredients.names:
        if site.ingredients.may_be(name, NUMBERS):
            yield "constant-to-name", name, 2.6
        if site.ingredients.kinds(name) & SEQUENCES:
            yield "constant-to-length", f"len({name})", 3.0
            yield "constant-to-item", f"{name}[0]", 3.2


def _elements(site: Site, node: cst.List | cst.Tuple | cst.Set) -> Iterator[Variant]:
    texts = [site.code(element.value) for element in node.elements]
    if not texts:
        if isinstance(node, cst.List):
            yield "wrap-list", "[[]]", 2.2
        for name in site.ingredients.names:
            yield "fill-list", f"[{name}]" if isinstance(node, cst.List) else f"({name},)", 2.4
        for text in ("[0]", "[1]", "{}", "set()", "None"):
            yield "constant", text, 3.2
        return
    for number in range(len(texts) - 1):
        for other in range(number + 1, len(texts)):
            swapped = list(texts)
            swapped[number], swapped[other] = swapped[other], swapped[number]
            yield "swap-elements", _rebuilt(node, swapped), 2.0 if other == number + 1 else 2.4
    for number in range(len(texts)):
        rest = texts[:number] + texts[number + 1 :]
        if rest or isinstance(node, cst.List):
            yield "drop-element", _rebuilt(node, rest), 2.8
    for name in (*site.ingredients.names, "0", "1"):
        yield "add-element", _rebuilt(node, [*texts, name]), 3.2
        yield "add-element", _rebuilt(node, [name, *texts]), 3.4


def _rebuilt(node: cst.List | cst.Tuple | cst.Set, texts: list[str]) -> str:
    inner = ", ".join(texts)
    if isinstance(node, cst.List):
        return f"[{inner}]"
    if isinstance(node, cst.Set):
        return f"{{{inner}}}"
    return inner + ("," if len(texts) == 1 else "")


def _calls(site: Site, node: cst.Call) -> Iterator[Variant]:
    function = site.code(node.func)
    arguments = [site.code(argument.with_changes(comma=cst.MaybeSentinel.DEFAULT)) for argument in node.args]
    plain = [argument.keyword is None and not argument.star for argument in node.args]
    for number in range(len(arguments)):
        if plain[number]:
            yield "unwrap", arguments[number], 2.2 if len(arguments) == 1 else 3.0
        rest = arguments[:number] + arguments[number + 1 :]
        yield "drop-argument", f"{function}({', '.join(rest)})", 2.8
        for other in range(number + 1, len(arguments)):
            if plain[number] and plain[other]:
                swapped = list(arguments)
                swapped[number], swapped[other] = swapped[other], swapped[number]
                yield "swap-arguments", f"{function}({', '.join(swapped)})", 1.8
    for name in site.ingredients.names:
        yield "add-argument", f"{function}({', '.join([*arguments, name])})", 3.2
    if function == "range":
        inner = ", ".join(arguments)
        yield "range", f"range(1, {inner})", 2.4
        yield "range", f"range({inner}, -1)", 3.4
        yield "range", f"reversed(range({inner}))", 3.0
    if function in ("sorted", "max", "min") or function.endswith(".sort"):
        yield "reverse", f"{function}({', '.join([*arguments, 'reverse=True'])})", 2.6
    if function.endswith(".get") and len(arguments) == 1:
        for default in ("0", "[]", '""', "None", "False"):
            yield "default", f"{function}({arguments[0]}, {default})", 2.6
    if isinstance(node.func, cst.Attribute):
        yield "unwrap", site.code(node.func.value), 2.8
        if not arguments:
            yield "not-called", function, 2.8
    if not isinstance(site.parent, cst.Await) and "await" in site.source.text:
        yield "await", f"await {site.text}", 2.8


def _subscripts(site: Site, node: cst.Subscript) -> Iterator[Variant]:
    value, source = site.code(node.value), site.source
    start, _ = source.span(node.slice[0])
    _, end = source.span(node.slice[-1])
    inner = source.text[start:end]
    parts = [source.code(part.with_changes(comma=cst.MaybeSentinel.DEFAULT)) for part in node.slice]
    if len(parts) > 1:
        for number in range(len(parts) - 1):
            swapped = list(parts)
            swapped[number], swapped[number + 1] = swapped[number + 1], swapped[number]
            yield "swap-indices", f"{value}[{', '.join(swapped)}]", 1.9
    match node.slice:
        case [cst.SubscriptElement(slice=cst.Slice(lower=lower, upper=upper))]:
            low, high = (site.code(lower) if lower else ""), (site.code(upper) if upper else "")
            texts = [f"{low}:" if high else "", f":{high}" if low else "", f"{high}:{low}", ":"]
            texts += ["" if low else f"1:{high}", "" if high else f"{low}:-1"]
            texts += [f"{low} + 1:{high}", f"{low} - 1:{high}"] if low else []
            texts += [f"{low}:{high} + 1", f"{low}:{high} - 1"] if high else []
            yield from (("slice", f"{value}[{text}]", 2.2) for text in texts if text and text != inner)
        case [cst.SubscriptElement(slice=cst.Index())]:
            yield "default", f"{value}.get({inner})", 2.8
            for default in ("0", "[]", '""', "float('inf')"):
                yield "default", f"{value}.get({inner}, {default})", 2.8
            yield "index-to-slice", f"{value}[{inner}:]", 3.0
            yield "index-to-slice", f"{value}[:{inner}]", 3.0
            yield "modulo-index", f"{value}[{inner} % len({value})]", 3.2
    yield "drop-index", value, 2.6


def _attributes(site: Site, node: cst.Attribute) -> Iterator[Variant]:
    value, name = site.code(node.value), node.attr.value
    if site.is_called:
        for group in _METHODS:
            if name in group:
                yield from (("other-method", f"{value}.{other}", 1.9) for other in group if other != name)
        yield from (
            ("other-method", f"{value}.{other}", 2.4) for other in site.ingredients.methods if other != name
        )
        return
    for other in site.ingredients.attributes:
        if other != name:
            yield "other-attribute", f"{value}.{other}", 2.0
    yield "drop-attribute", value, 2.8
    yield "called", f"{site.text}()", 2.6


def _targets(site: Site) -> Iterator[Variant]:
    """Something else is assigned to."""
    for name in site.ingredients.names:
        if name != site.text:
            yield "other-target", name, 2.6
    for donor, kind in site.ingredients.donors:
        if donor != site.text and issubclass(kind, (cst.Subscript, cst.Attribute)):
            yield "other-target", donor, 2.8
    for container in site.ingredients.names:
        if isinstance(site.node, cst.Name) and site.ingredients.kinds(container) & {
            "dict",
            "list",
            "defaultdict",
        }:
            yield from (
                ("other-target", f"{container}[{name}]", 3.2)
                for name in site.ingredients.names
                if name != container
            )
