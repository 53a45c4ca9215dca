"""Evaluates expressions to what is known of their values, and tells sinks what reaches them."""

import ast
import re
from collections.abc import Callable, Iterable
from typing import Any

from auditor_svc.flow import matching
from auditor_svc.flow.analysis import Analysis, Summary, bind, substitute
from auditor_svc.flow.matching import Arguments
from auditor_svc.flow.modules import FunctionNode
from auditor_svc.flow.rules import Shape
from auditor_svc.flow.scope import Scope
from auditor_svc.flow.texts import formatted, percent
from auditor_svc.flow.values import (
    BOUND,
    HOLE,
    NOTHING,
    UNKNOWN,
    Label,
    Value,
    built,
    clean,
    constant,
    join,
    labels_of,
)

_SENSITIVE = re.compile(
    r"(?:^|_)(?:passw(?:or)?d|passwd|passphrase|pwd|secret_?key|api_?key|private_?key|access_?token|auth_?token|"
    r"credit_?card|card_?number|cvv|ssn)\Z",
    re.IGNORECASE,
)
_CLEAN = re.compile(
    r"(?:^|\.)(?:int|float|bool|len|abs|round|hash|id|ord|isinstance|issubclass|callable|uuid\.UUID|UUID|"
    r"is(?:digit|alpha|alnum|decimal|numeric|upper|lower|space|identifier)|startswith|endswith|count|index|"
    r"hexdigest|digest|hashpw|checkpw|generate_password_hash|check_password_hash|make_password|check_password|"
    r"exists|isfile|isdir|getsize|stat|fileno|lastrowid|rowcount|randint|randrange|token_\w+|url_for)\Z"
)
_TEXTUAL = {"str", "strip", "lstrip", "rstrip", "lower", "upper", "title", "encode", "decode", "removeprefix",
            "removesuffix", "repr", "format_map", "expandtabs", "casefold"}  # fmt: skip
_MUTATORS = {"append", "add", "extend", "insert", "update", "setdefault", "push", "appendleft", "set", "put"}


class Evaluator:
    """Expressions in one scope."""

    def __init__(
        self, analysis: Analysis, scope: Scope, summarise: Callable[[FunctionNode, str], Summary]
    ) -> None:
        self._analysis = analysis
        self.scope = scope
        self._summarise = summarise

    def __call__(self, node: ast.expr | None) -> Value:
        if node is None:
            return NOTHING
        self._analysis.step()
        method: Callable[[Any], Value] | None = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is not None:
            return method(node)
        return Value(
            labels=labels_of(
                self(child) for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)
            )
        )

    def _constant(self, node: ast.Constant) -> Value:
        return constant(node.value)

    def _name(self, node: ast.Name) -> Value:
        known = self.scope.find(node.id)
        if known is None:
            imported = self._analysis.module.imports.get(node.id)
            if (
                imported is None
                and self._analysis.module.stars
                and node.id not in self._analysis.module.functions
            ):
                imported = f"{self._analysis.module.stars[0]}.{node.id}" if node.id[:1].isupper() else None
            known = self._sourced(Value(name=imported or node.id), node)
        return self._sensitive(known, node.id, node)

    def _attribute(self, node: ast.Attribute) -> Value:
        owner = self(node.value)
        path = _path(node)
        known = self.scope.find(path) if path else None
        if known is not None:
            return self._sensitive(known, node.attr, node)
        name = f"{owner.name}.{node.attr}" if owner.name else f".{node.attr}"
        return self._sensitive(self._sourced(Value(name=name, labels=owner.labels), node), node.attr, node)

    def _subscript(self, node: ast.Subscript) -> Value:
        owner, index = self(node.value), self(node.slice)
        if owner.items is not None and owner.keys is None and type(index.literal) is int:
            position = index.literal
            if -len(owner.items) <= position < len(owner.items):
                return owner.items[position]
        if owner.keys is not None and owner.items is not None and index.literal is not UNKNOWN:
            for key, item in zip(owner.keys, owner.items, strict=True):
                if key.literal == index.literal:
                    return item
        path = _path(node)
        known = self.scope.find(path) if path else None
        if known is not None:
            return known
        value = self._sourced(Value(name=f"{owner.name}[]", labels=owner.labels), node)
        # A table that untrusted data only indexes has trusted values.
        return self._sensitive(value, str(index.literal), node) if isinstance(index.literal, str) else value

    def _call(self, node: ast.Call) -> Value:
        callee = self(node.func)
        receiver = self(node.func.value) if isinstance(node.func, ast.Attribute) else NOTHING
        positional: list[Value] = []
        keywords: dict[str, Value] = {}
        is_open = False
        for argument in node.args:
            if isinstance(argument, ast.Starred):
                is_open = True
                inner = self(argument.value)
                positional += inner.items if inner.items is not None and inner.keys is None else (inner,)
            else:
                positional.append(self(argument))
        for keyword in node.keywords:
            value = self(keyword.value)
            if keyword.arg is not None:
                keywords[keyword.arg] = value
            elif value.keys is not None and value.items is not None:
                keywords |= {str(k.literal): v for k, v in zip(value.keys, value.items, strict=True)}
            else:
                is_open = True
        arguments = Arguments(receiver, positional, keywords, is_open)
        self._tell_sinks(self._analysis.rules.calls.find(callee.name), arguments, node)
        return self._result(node, callee, arguments)

    def _tell_sinks(self, shapes: Iterable[Shape], arguments: Arguments, node: ast.expr) -> None:
        for shape in shapes:
            if matching.holds(shape, arguments) and self._is_here(shape):
                place = matching.region(node)
                if not shape.arguments:
                    self._analysis.report(shape.rule, shape.rule.severity["always"], *place)
                for found in matching.flowing(shape, arguments):
                    self._analysis.reached(shape, found, place, self.scope.pending)

    def _is_here(self, shape: Shape) -> bool:
        """Whether the surroundings are those that the rule speaks of."""
        if shape.inside is not None:
            function = self.scope.function
            around = f"{self.scope.assigning} {function.name if function is not None else ''}"
            if not shape.inside.search(around):
                return False
        if shape.unless is not None:
            function = self.scope.function
            text = self._analysis.module.text(function or self._analysis.module.tree)
            return shape.unless.search(text) is None
        return True

    def _result(self, node: ast.Call, callee: Value, arguments: Arguments) -> Value:
        name = callee.name
        last = name.rpartition(".")[2]
        given = labels_of((*arguments.positional, *arguments.keywords.values()))
        result_name = f"{name}()" if name else "()"
        if kinds := self._kinds(result_name):
            return Value(name=result_name, labels=frozenset(Label(kind, _place(node)) for kind in kinds))
        if sanitised := self._analysis.rules.sanitisers.find(name):
            rules = frozenset(rule for each in sanitised for rule in each)
            return Value(result_name, clean(given | arguments.receiver.labels, rules), text=HOLE)
        function, positional = self._local(node.func, name, arguments)
        if function is not None:
            return self._called(function, name, positional, arguments)
        if _CLEAN.search(name):
            return Value(name=result_name)
        labels = given | arguments.receiver.labels
        if isinstance(node.func, ast.Attribute):
            if last in _MUTATORS and given:
                self._taint(node.func.value, given)
            if last == "format" and arguments.receiver.text is not None:
                return formatted(arguments, labels)
            if last == "replace" and arguments.receiver.text is not None:
                return Value(result_name, labels, text=arguments.receiver.text)
            if last == "join":
                glue = arguments.receiver.text or ""
                return Value(result_name, labels, text=f"{HOLE}{glue}{HOLE}")
        if last in _TEXTUAL:
            subject = arguments.receiver if isinstance(node.func, ast.Attribute) else NOTHING
            for value in (subject, *arguments.positional[:1]):
                if value.text is not None:
                    return Value(result_name, labels, value.literal, value.text)
        if last in {"dict", "list", "tuple", "set", "sorted", "reversed"} and len(arguments.positional) == 1:
            value = arguments.positional[0]
            return Value(f"{last}()", labels, items=value.items, keys=value.keys)
        if last == "dict" and not arguments.positional:
            return Value("dict()", labels, items=tuple(arguments.keywords.values()),
                         keys=tuple(constant(key) for key in arguments.keywords))  # fmt: skip
        return Value(name=result_name, labels=labels)

    def _local(
        self, func: ast.expr, name: str, arguments: Arguments
    ) -> tuple[FunctionNode | None, list[Value]]:
        functions = self._analysis.module.functions
        positional = list(arguments.positional)
        if isinstance(func, ast.Name) and self.scope.find(func.id) is None:
            return functions.get(name), positional
        if isinstance(func, ast.Attribute):
            owner = (
                self.scope.owner
                if name.startswith(("self.", "cls."))
                else name.split("(", 1)[0].rpartition(".")[2]
            )
            if "()." in name:
                owner = name.rpartition("().")[0].rpartition(".")[2]
            function = functions.get(f"{owner}.{func.attr}")
            if function is not None:
                decorators = {getattr(item, "id", "") for item in function.decorator_list}
                return function, positional if "staticmethod" in decorators else [
                    arguments.receiver,
                    *positional,
                ]
        return None, positional

    def _called(
        self, function: FunctionNode, name: str, positional: list[Value], arguments: Arguments
    ) -> Value:
        owner = next(
            (
                key.rpartition(".")[0]
                for key, value in self._analysis.module.functions.items()
                if value is function
            ),
            "",
        )
        summary = self._summarise(function, owner)
        bound = bind(function, positional, dict(arguments.keywords))
        for pending in tuple(summary.pending):
            origin = pending.label.origin
            if isinstance(origin, tuple) and origin[0] is function and origin[1] in bound:
                self._analysis.arrive(pending, bound[origin[1]], self.scope.pending)
        return substitute(summary.returns, function, bound)

    def _taint(self, target: ast.expr, labels: frozenset[Label]) -> None:
        path = _path(target)
        if path:
            known = self.scope.find(path) or Value(name=self(target).name or f"{BOUND}{path}")
            self.scope.variables[path] = Value(known.name, known.labels | labels, text=known.text)

    def _binop(self, node: ast.BinOp) -> Value:
        left, right = self(node.left), self(node.right)
        labels = left.labels | right.labels
        if isinstance(node.op, ast.Mod) and left.text is not None:
            values = right.items if right.items is not None and right.keys is None else (right,)
            return Value(labels=labels, text=percent(left.text, values))
        if isinstance(node.op, ast.Add):
            if left.text is not None or right.text is not None:
                return built((left, right), left.name)
            items = (left.items or ()) + (right.items or ()) if left.items is not None else None
            return Value(labels=labels, items=items, text=HOLE * 2 if labels and items is None else None)
        if isinstance(node.op, ast.Mult) and isinstance(left.literal, (str, bytes)):
            return Value(
                labels=labels, literal=left.literal, text=left.text
            )  # repeated: as constant as before
        name = f"{left.name}/" if isinstance(node.op, ast.Div) and left.name else ""
        return Value(name=name, labels=labels)

    def _joinedstr(self, node: ast.JoinedStr) -> Value:
        return built(
            self(part.value) if isinstance(part, ast.FormattedValue) else self(part) for part in node.values
        )

    def _boolop(self, node: ast.BoolOp) -> Value:
        values = [self(value) for value in node.values]
        result = values[0]
        for value in values[1:]:
            result = join(result, value)
        return result

    def _ifexp(self, node: ast.IfExp) -> Value:
        self(node.test)
        return join(self(node.body), self(node.orelse))

    def _compare(self, node: ast.Compare) -> Value:
        for child in (node.left, *node.comparators):
            self(child)
        return NOTHING

    def _unaryop(self, node: ast.UnaryOp) -> Value:
        value = self(node.operand)
        if isinstance(node.op, ast.Not):
            return NOTHING
        if isinstance(node.op, ast.USub) and isinstance(value.literal, (int, float)):
            return constant(-value.literal)
        return value

    def _list(self, node: ast.List | ast.Tuple | ast.Set) -> Value:
        items = tuple(self(item) for item in node.elts)
        return Value(f"{type(node).__name__.lower()}()", labels_of(items), items=items)

    _tuple = _set = _list

    def _dict(self, node: ast.Dict) -> Value:
        keys = tuple(self(key) for key in node.keys)
        items = tuple(self(item) for item in node.values)
        return Value("dict()", labels_of((*keys, *items)), items=items, keys=keys)

    def _comprehension(self, node: Any) -> Value:
        outer = dict(self.scope.variables)
        for generator in node.generators:
            iterated = self(generator.iter)
            self.bind_target(generator.target, Value(labels=iterated.labels))
            for condition in generator.ifs:
                self(condition)
        element = self(node.key) if isinstance(node, ast.DictComp) else self(node.elt)
        labels = element.labels | (self(node.value).labels if isinstance(node, ast.DictComp) else frozenset())
        self.scope.variables = outer
        return Value("list()", labels)

    _listcomp = _setcomp = _generatorexp = _dictcomp = _comprehension

    def _await(self, node: ast.Await) -> Value:
        return self(node.value)

    def _starred(self, node: ast.Starred) -> Value:
        return self(node.value)

    def _namedexpr(self, node: ast.NamedExpr) -> Value:
        value = self(node.value)
        self.bind_target(node.target, value)
        return value

    def _lambda(self, node: ast.Lambda) -> Value:
        outer = dict(self.scope.variables)
        for argument in node.args.args:
            self.scope.variables[argument.arg] = Value(name=f"{BOUND}{argument.arg}")
        value = self(node.body)
        self.scope.variables = outer
        return Value(labels=value.labels)

    def bind_target(self, target: ast.expr, value: Value) -> None:
        """What an assignment does."""
        if isinstance(target, (ast.Tuple, ast.List)):
            spread = value.items is not None and value.keys is None and len(value.items) == len(target.elts)
            for number, element in enumerate(target.elts):
                inner = (
                    value.items[number] if spread and value.items else Value(f"{value.name}[]", value.labels)
                )
                self.bind_target(element, inner)
        elif isinstance(target, ast.Starred):
            self.bind_target(target.value, Value(labels=value.labels))
        elif isinstance(target, (ast.Name, ast.Attribute, ast.Subscript)):
            if not isinstance(target, ast.Name):
                self._assigned(target, value)
            if path := _path(target):
                if not value.name and isinstance(target, ast.Name):
                    value = Value(
                        f"{BOUND}{target.id}",
                        value.labels,
                        value.literal,
                        value.text,
                        value.items,
                        value.keys,
                    )
                self.scope.variables[path] = value
            if isinstance(target, ast.Subscript) and value.labels:
                self._taint(target.value, value.labels)

    def _assigned(self, target: ast.Attribute | ast.Subscript, value: Value) -> None:
        owner = self(target.value)
        name = f"{owner.name}.{target.attr}" if isinstance(target, ast.Attribute) else f"{owner.name}[]"
        key = self(target.slice) if isinstance(target, ast.Subscript) else NOTHING
        arguments = Arguments(owner, [value, key], {"value": value, "key": key}, False)
        self._tell_sinks(self._analysis.rules.assignments.find(name), arguments, target)

    def _sourced(self, value: Value, node: ast.expr) -> Value:
        kinds = self._kinds(value.name)
        return value.labelled(Label(kind, _place(node)) for kind in kinds) if kinds else value

    def _kinds(self, name: str) -> set[str]:
        """The kinds of source that a name stands for here; `web` ones only where the web is served."""
        kinds = set(self._analysis.rules.sources.find(name))
        if "web" in kinds:
            kinds.remove("web")
            if self._analysis.module.serves:
                kinds.add("remote")
        return kinds

    def _sensitive(self, value: Value, name: str, node: ast.expr) -> Value:
        if value.literal is UNKNOWN and _SENSITIVE.search(name) and not value.name.startswith("getpass"):
            return value.labelled(value.labels | {Label("sensitive", name)})
        return value


def _path(node: ast.expr) -> str:
    """`a.b['c']` of names, attributes and constant keys; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        owner = _path(node.value)
        return f"{owner}.{node.attr}" if owner else ""
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        owner = _path(node.value)
        return f"{owner}[{node.slice.value!r}]" if owner else ""
    return ""


def _place(node: ast.expr) -> tuple[int, int]:
    return (node.lineno, node.col_offset)
