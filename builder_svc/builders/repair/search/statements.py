"""Templates for statements: taken out, put in, moved, guarded, or of another kind."""

from collections.abc import Iterator, Sequence

import libcst as cst

from .ingredients import CONTAINERS, NUMBERS, Ingredients
from .source import Proposal, Source, TextEdit

MAXIMUM_INSERTED = 400
"""Different lines that may be put in at one place."""
_ADDERS = {"list": "append", "set": "add", "deque": "append"}


class Statements:
    """All proposals about the statements of one function."""

    def __init__(self, source: Source, ingredients: Ingredients) -> None:
        self._source = source
        self._ingredients = ingredients

    def proposals(self) -> Iterator[Proposal]:
        body = self._ingredients.node.body  # type: ignore[attr-defined]  # a function or a module
        blocks = [body] if isinstance(body, cst.IndentedBlock) else []
        for block in self._source.inside(body, cst.IndentedBlock) if blocks else ():
            if self._source.function_of(block) is self._ingredients.function or block is body:
                yield from self._block(block)

    def _block(self, block: cst.IndentedBlock) -> Iterator[Proposal]:
        statements = [each for each in block.body if not _is_docstring(each)]
        for number, statement in enumerate(statements):
            following = statements[number + 1] if number + 1 < len(statements) else None
            yield from self._one(statement, alone=len(statements) == 1)
            if following is not None:
                yield from self._swapped(statement, following)
            else:
                yield from self._moved_out(block, statement)
            yield from self._moved_in(statement, following)
            yield from self._inserted(self._source.line(statement), statement, before=True)
        if statements:
            last = statements[-1]
            yield from self._inserted(self._source.last_line(last) + 1, last, before=False)

    def _one(self, statement: cst.BaseStatement, *, alone: bool) -> Iterator[Proposal]:
        first, last = self._source.line(statement), self._source.last_line(statement)
        indent = self._source.indent(first)
        whole = self._lines(first, last)
        if isinstance(statement, cst.SimpleStatementLine):
            replacement = f"{indent}pass\n" if alone else ""
            yield self._lines_edit(first, last, replacement, "delete", 2.7)
            for condition, cost in self._ingredients.conditions:
                text = f"{indent}if {condition}:\n{_indented(whole)}"
                yield self._lines_edit(first, last, text, "wrap-if", 3.3 + cost)
            for small in statement.body:
                yield from self._small(small, first)
        elif isinstance(statement, cst.If):
            yield from self._if(statement, first, last)
        elif isinstance(statement, cst.While):
            start, _ = self._source.span(statement)
            yield self._edit(start, start + len("while"), "if", "while-to-if", 3.0, first)
        elif isinstance(statement, cst.For):
            inner = self._lines(self._source.line(statement.body.body[0]), last)
            yield self._lines_edit(first, last, _dedented(inner), "unwrap", 3.8)

    def _if(self, statement: cst.If, first: int, last: int) -> Iterator[Proposal]:
        start, _ = self._source.span(statement)
        keyword = self._source.text[start:]
        if keyword.startswith("elif"):
            yield self._edit(start, start + 4, "if", "elif-to-if", 2.8, first)
            return
        if statement.orelse is None:
            yield self._edit(start, start + 2, "while", "if-to-while", 2.8, first)
            inner = self._lines(self._source.line(statement.body.body[0]), last)
            yield self._lines_edit(first, last, _dedented(inner), "unwrap", 3.0)
        elif isinstance(statement.orelse, cst.Else) and isinstance(statement.orelse.body, cst.IndentedBlock):
            # What stands under `else` happens always.
            other = self._source.line(statement.orelse)
            inner = self._lines(self._source.line(statement.orelse.body.body[0]), last)
            yield self._lines_edit(other, last, _dedented(inner), "drop-else", 2.8)

    def _small(self, small: cst.BaseSmallStatement, line: int) -> Iterator[Proposal]:
        start, end = self._source.span(small)
        code = self._source.code
        match small:
            case cst.Break():
                yield self._edit(start, end, "continue", "break-continue", 2.0, line)
                yield self._edit(start, end, "pass", "break-continue", 2.6, line)
            case cst.Continue():
                yield self._edit(start, end, "break", "break-continue", 2.0, line)
            case cst.Pass():
                for text, cost in self._lines_to_insert():
                    yield self._edit(start, end, text, "insert", cost, line)
            case cst.Return(value=None):
                for text, cost in self._ingredients.results:
                    yield self._edit(start, end, f"return {text}", "return-value", 2.0 + cost, line)
            case cst.Return(value=value) if value is not None:
                yield self._edit(start, end, f"yield {code(value)}", "return-to-yield", 3.4, line)
                for text, cost in self._ingredients.results:
                    yield self._edit(start, end, f"return {text}", "return-value", 2.6 + cost, line)
            case cst.Expr(value=cst.Yield(value=value)) if value is not None:
                inner = value.item if isinstance(value, cst.From) else value
                text = f"yield {code(inner)}" if isinstance(value, cst.From) else f"yield from {code(inner)}"
                yield self._edit(start, end, text, "yield-from", 2.0, line)
            case cst.Expr(value=cst.Call() as call):
                yield self._edit(start, end, f"return {code(call)}", "return-call", 2.4, line)
                for name in self._ingredients.names:
                    yield self._edit(start, end, f"{name} = {code(call)}", "assign-call", 3.0, line)
                if isinstance(call.func, cst.Attribute):
                    target = code(call.func.value)
                    yield self._edit(start, end, f"{target} = {code(call)}", "assign-call", 2.4, line)
                    if call.args:
                        yield self._edit(
                            start, end, f"{target} = {code(call.args[0].value)}", "assign-call", 2.8, line
                        )
            case cst.Assign(targets=[target]):
                for operator, cost in (("+=", 2.4), ("-=", 2.8), ("|=", 3.4), ("*=", 3.4)):
                    text = f"{code(target.target)} {operator} {code(small.value)}"
                    yield self._edit(start, end, text, "assign-to-augmented", cost, line)
            case cst.AugAssign():
                yield from self._augmented(small, start, end, line)
            case cst.Raise() | cst.Assert():
                yield self._edit(start, end, "pass", "delete", 3.4, line)

    def _augmented(self, small: cst.AugAssign, start: int, end: int, line: int) -> Iterator[Proposal]:
        target, value = self._source.code(small.target), self._source.code(small.value)
        own = self._source.code(small.operator).strip()
        groups = (("+=", "-=", "*=", "/=", "//=", "%=", "**="), ("&=", "|=", "^=", "<<=", ">>="))
        for group in groups:
            for other in group:
                if own in group and other != own:
                    cost = 1.5 if {own, other} <= {"+=", "-="} or own in groups[1] else 2.4
                    yield self._edit(start, end, f"{target} {other} {value}", "operator", cost, line)
        yield self._edit(start, end, f"{target} = {value}", "augmented-to-assign", 2.4, line)
        for operator in ("max", "min"):
            text = f"{target} = {operator}({target}, {value})"
            yield self._edit(start, end, text, "augmented-to-assign", 3.2, line)

    def _swapped(self, one: cst.BaseStatement, other: cst.BaseStatement) -> Iterator[Proposal]:
        first, second = self._source.line(one), self._source.line(other)
        text = self._lines(second, self._source.last_line(other)) + self._lines(first, second - 1)
        yield self._lines_edit(first, self._source.last_line(other), text, "swap-statements", 2.6)

    def _moved_out(self, block: cst.IndentedBlock, last: cst.BaseStatement) -> Iterator[Proposal]:
        """The last statement of a block comes after it."""
        above = self._source.parent(block)
        if not isinstance(above, (cst.If, cst.For, cst.While, cst.Else, cst.With)) or len(block.body) < 2:
            return
        first, end = self._source.line(last), self._source.last_line(last)
        yield self._lines_edit(first, end, _dedented(self._lines(first, end)), "move-out", 2.6)

    def _moved_in(self, one: cst.BaseStatement, other: cst.BaseStatement | None) -> Iterator[Proposal]:
        """What comes after a block belongs into it."""
        if other is None or not isinstance(one, (cst.If, cst.For, cst.While, cst.With)):
            return
        first, end = self._source.line(other), self._source.last_line(other)
        yield self._lines_edit(first, end, _indented(self._lines(first, end)), "move-in", 2.6)

    def _inserted(self, line: int, beside: cst.BaseStatement, *, before: bool) -> Iterator[Proposal]:
        indent = self._source.indent(self._source.line(beside))
        place = self._source.line_start(line)
        at = line if before else self._source.last_line(beside)
        head = "" if self._source.text[:place].endswith("\n") or not place else "\n"
        ended = isinstance(beside, cst.SimpleStatementLine) and isinstance(
            beside.body[-1], (cst.Return, cst.Break, cst.Continue, cst.Raise)
        )
        if ended and not before:
            return
        for text, cost in self._lines_to_insert():
            shown = "".join(f"{indent}{row}\n" for row in text.split("\n"))
            yield self._edit(place, place, head + shown, "insert", cost, at)
        if not before:
            for result, cost in self._ingredients.results:
                yield self._edit(
                    place, place, f"{head}{indent}return {result}\n", "insert-return", 2.8 + cost, at
                )

    def _lines_to_insert(self) -> Sequence[tuple[str, float]]:
        """Statements that may be missing, the same at every place."""
        if not hasattr(self, "_missing"):
            found: dict[str, float] = {}
            for text, cost in self._candidates():
                found[text] = min(cost, found.get(text, cost))
            self._missing = sorted(found.items(), key=lambda item: item[1])[:MAXIMUM_INSERTED]
        return self._missing

    def _candidates(self) -> Iterator[tuple[str, float]]:
        ingredients, source = self._ingredients, self._source
        names = ingredients.names
        for line in source.inside(ingredients.node, cst.SimpleStatementLine):
            small = line.body[0]
            if len(line.body) == 1 and isinstance(small, (cst.Expr, cst.Assign, cst.AugAssign)):
                text = source.code(small)
                if len(text) > 80 or "\n" in text or _is_docstring(line):
                    continue
                yield text, 2.8
                yield from self._renamed(small, text)
        for target in names:
            for value in names:
                if value == target:
                    continue
                if ingredients.kinds(target) & ingredients.kinds(value):
                    yield f"{target} = {value}", 2.8
                elif not (ingredients.kinds(target) and ingredients.kinds(value)):
                    yield f"{target} = {value}", 3.4
                for kind in ingredients.kinds(target) & set(_ADDERS):
                    yield f"{target}.{_ADDERS[kind]}({value})", 2.8
                    if ingredients.kinds(value) & CONTAINERS:
                        yield f"{target}.{'update' if kind == 'set' else 'extend'}({value})", 3.2
                if ingredients.kinds(target) & {"dict", "defaultdict"}:
                    yield from (
                        (f"{target}[{key}] = {value}", 3.4) for key in names if key not in (target, value)
                    )
                if ingredients.kinds(target) & {"int", "float"} and ingredients.kinds(value) & NUMBERS:
                    yield f"{target} += {value}", 3.4
            if ingredients.may_be(target, NUMBERS):
                yield f"{target} += 1", 3.0
                yield f"{target} -= 1", 3.2
                yield f"{target} = 0", 3.4
            if ingredients.kinds(target) & {"list"}:
                yield f"{target} = []", 3.4
                yield f"{target}.sort()", 3.4
                yield f"{target}.pop()", 3.4
                yield f"{target} = list({target})", 3.2
            if ingredients.kinds(target) & {"str"}:
                yield f"{target} = {target}.strip()", 3.6
                yield f"{target} = {target}.lower()", 3.6
        function = ingredients.function
        if function is not None and function.name.value == "__init__":
            yield from ((f"self.{name} = {name}", 2.4) for name in ingredients.parameters if name != "self")
            yield "super().__init__()", 2.8
        for condition, cost in ingredients.conditions:
            for result, extra in ingredients.results:
                yield f"if {condition}:\n    return {result}", 2.9 + cost + extra
            yield f"if {condition}:\n    continue", 3.2 + cost
            yield f"if {condition}:\n    break", 3.2 + cost

    def _renamed(self, small: cst.BaseSmallStatement, text: str) -> Iterator[tuple[str, float]]:
        """The statement about another variable."""
        offset, _ = self._source.span(small)
        for node in self._source.inside(small, cst.Name):
            if node.value not in self._ingredients.names:
                continue
            start, end = (position - offset for position in self._source.span(node))
            for other in self._ingredients.names:
                if other != node.value:
                    alike = self._ingredients.kinds(other) & self._ingredients.kinds(node.value)
                    yield text[:start] + other + text[end:], 3.1 if alike else 3.5

    def _lines(self, first: int, last: int) -> str:
        text = self._source.text[self._source.line_start(first) : self._source.line_start(last + 1)]
        if last >= self._source.line_of(len(self._source.text)):
            text = self._source.text[self._source.line_start(first) :]
        return text if text.endswith("\n") else text + "\n"

    def _lines_edit(self, first: int, last: int, text: str, template: str, cost: float) -> Proposal:
        start, old = self._source.line_start(first), self._lines(first, last)
        end = min(start + len(old), len(self._source.text))
        return self._edit(start, end, text, template, cost, first)

    def _edit(self, start: int, end: int, text: str, template: str, cost: float, line: int) -> Proposal:
        edit = TextEdit(self._source.path, start, end, text)
        return Proposal((edit,), template, cost, line, self._ingredients.place)


def mutable_defaults(source: Source) -> Iterator[Proposal]:
    """Parameters whose default is shared by all calls: None instead, and a fresh one in the body."""
    for function in source.nodes:
        if not isinstance(function, cst.FunctionDef) or not isinstance(function.body, cst.IndentedBlock):
            continue
        for parameter in (*function.params.params, *function.params.kwonly_params):
            default = parameter.default
            if not isinstance(default, (cst.List, cst.Dict, cst.Set, cst.Call)):
                continue
            body = next((each for each in function.body.body if not _is_docstring(each)), None)
            if body is None:
                continue
            name, line = parameter.name.value, source.line(body)
            indent, place = source.indent(line), source.line_start(line)
            text = f"{indent}if {name} is None:\n{indent}    {name} = {source.code(default)}\n"
            edits = (
                TextEdit(source.path, *source.span(default), "None"),
                TextEdit(source.path, place, place, text),
            )
            yield Proposal(edits, "mutable-default", 2.0, line, source.place(function))


def _is_docstring(statement: cst.CSTNode) -> bool:
    return (
        isinstance(statement, cst.SimpleStatementLine)
        and isinstance(statement.body[0], cst.Expr)
        and isinstance(statement.body[0].value, (cst.SimpleString, cst.ConcatenatedString))
    )


def _indented(text: str) -> str:
    return "".join(f"    {row}" if row.strip() else row for row in text.splitlines(keepends=True))


def _dedented(text: str) -> str:
    return "".join(row[4:] if row.startswith("    ") else row for row in text.splitlines(keepends=True))
