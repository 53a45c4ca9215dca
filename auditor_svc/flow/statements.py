"""Runs through statements in order, joining what is known where ways meet."""

import ast
import re
from collections.abc import Callable, Sequence

from auditor_svc.flow import guards, matching
from auditor_svc.flow.analysis import Analysis, Summary
from auditor_svc.flow.expressions import Evaluator
from auditor_svc.flow.modules import FunctionNode, untrusted_parameters
from auditor_svc.flow.scope import Scope
from auditor_svc.flow.values import BOUND, NOTHING, Label, Value, join

_ENDS = re.compile(r"(?:^|\.)(?:abort|exit|_exit|fail|skip)\Z")
_MOST_NESTED_LOOPS = 2
"""Deeper ones are run through once instead of twice."""


class Interpreter:
    """Runs the statements of one scope."""

    def __init__(self, analysis: Analysis, scope: Scope) -> None:
        self._analysis = analysis
        self._scope = scope
        self._loops = 0
        self._evaluate = Evaluator(
            analysis, scope, lambda function, owner: summarise(analysis, function, owner, module_of(scope))
        )

    def run(self, body: Sequence[ast.stmt]) -> None:
        for statement in body:
            self._analysis.step()
            method = getattr(self, f"_{type(statement).__name__.lower()}", None)
            if method is not None:
                method(statement)

    def _expr(self, node: ast.Expr) -> None:
        self._evaluate(node.value)

    def _assign(self, node: ast.Assign) -> None:
        self._scope.assigning = " ".join(ast.unparse(target) for target in node.targets)
        value = self._evaluate(node.value)
        for target in node.targets:
            self._evaluate.bind_target(target, value)
        self._scope.assigning = ""

    def _annassign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self._scope.assigning = ast.unparse(node.target)
            self._evaluate.bind_target(node.target, self._evaluate(node.value))
            self._scope.assigning = ""

    def _augassign(self, node: ast.AugAssign) -> None:
        value = self._evaluate(ast.copy_location(ast.BinOp(node.target, node.op, node.value), node))
        self._evaluate.bind_target(node.target, value)

    def _return(self, node: ast.Return) -> None:
        self._scope.assigning = "return"
        value = self._evaluate(node.value)
        self._scope.assigning = ""
        self._scope.returns = join(self._scope.returns, value) if self._scope.returns != NOTHING else value
        shown = value.items[0] if value.items and value.keys is None else value
        arguments = matching.Arguments(NOTHING, [shown], {}, False)
        rules = self._analysis.rules
        for shape in (*rules.every_return, *(rules.returns if self._scope.is_handler else ())):
            if matching.holds(shape, arguments):
                for found in matching.reaching(shape, shown):
                    self._analysis.reached(shape, found, matching.region(node), self._scope.pending)

    def _if(self, node: ast.If) -> None:
        holds, fails = guards.proven(node.test, self._evaluate)
        self._evaluate(node.test)
        before = self._copy()
        self._forget(holds)
        self.run(node.body)
        after_body = self._scope.variables
        self._scope.variables = before
        self._forget(fails)
        self.run(node.orelse)
        if _leaves(node.body):
            return
        if node.orelse and _leaves(node.orelse):
            self._scope.variables = after_body
        else:
            self._merge(after_body)

    def _while(self, node: ast.While) -> None:
        holds, fails = guards.proven(node.test, self._evaluate)

        def begin() -> None:
            self._evaluate(node.test)
            self._forget(holds)

        self._loop(node.body, node.orelse, begin)
        if not any(isinstance(child, ast.Break) for child in ast.walk(node)):
            self._forget(fails)

    def _for(self, node: ast.For | ast.AsyncFor) -> None:
        def bind() -> None:
            iterated = self._evaluate(node.iter)
            self._evaluate.bind_target(node.target, Value(f"{iterated.name}[]", iterated.labels))

        self._loop(node.body, node.orelse, bind)

    _asyncfor = _for

    def _loop(self, body: Sequence[ast.stmt], orelse: Sequence[ast.stmt], begin: Callable[[], None]) -> None:
        self._loops += 1
        for _ in range(2 if self._loops <= _MOST_NESTED_LOOPS else 1):
            before = self._copy()
            begin()
            self.run(body)
            self._merge(before)
        self._loops -= 1
        self.run(orelse)

    def _with(self, node: ast.With | ast.AsyncWith) -> None:
        for item in node.items:
            value = self._evaluate(item.context_expr)
            if item.optional_vars is not None:
                self._evaluate.bind_target(item.optional_vars, value)
        self.run(node.body)

    _asyncwith = _with

    def _try(self, node: ast.Try) -> None:
        before = self._copy()
        self.run(node.body)
        after = self._scope.variables
        started = {**before, **{name: join(before.get(name, value), value) for name, value in after.items()}}
        self.run(node.orelse)
        results = [self._scope.variables] if not _leaves(node.body) else []
        for handler in node.handlers:
            self._scope.variables = dict(started)
            if handler.name:
                place = (handler.lineno, handler.col_offset)
                self._scope.variables[handler.name] = Value(
                    "exception", frozenset([Label("exception", place)])
                )
            self.run(handler.body)
            if not _leaves(handler.body):
                results.append(self._scope.variables)
        self._scope.variables = results[0] if results else started
        for other in results[1:]:
            self._merge(other)
        self.run(node.finalbody)

    _trystar = _try

    def _match(self, node: ast.Match) -> None:
        self._evaluate(node.subject)
        before = self._copy()
        for case in node.cases:
            self._scope.variables = dict(before)
            self.run(case.body)
            if not _leaves(case.body):
                before = {**before, **self._scope.variables}
        self._scope.variables = before

    def _assert(self, node: ast.Assert) -> None:
        holds, _ = guards.proven(node.test, self._evaluate)
        self._evaluate(node.test)
        self._forget(holds)

    def _raise(self, node: ast.Raise) -> None:
        self._evaluate(node.exc)

    def _delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            self._evaluate(target)

    def _functiondef(self, node: FunctionNode) -> None:
        for expression in (*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)):
            self._evaluate(expression)
        if self._scope.function is not None:  # a function in a function sees what is around it
            summarise(self._analysis, node, self._scope.owner, self._scope)

    _asyncfunctiondef = _functiondef

    def _classdef(self, node: ast.ClassDef) -> None:
        for expression in (*node.decorator_list, *node.bases, *(keyword.value for keyword in node.keywords)):
            self._evaluate(expression)
        outer = dict(self._scope.variables)
        self.run(node.body)
        self._scope.variables = outer
        if self._scope.function is not None:
            for member in node.body:
                if isinstance(member, FunctionNode):
                    summarise(self._analysis, member, node.name, self._scope)

    def _copy(self) -> dict[str, Value]:
        self._analysis.step(len(self._scope.variables) // 8)
        return dict(self._scope.variables)

    def _merge(self, other: dict[str, Value]) -> None:
        merged = self._scope.variables
        self._analysis.step(len(other) // 8)
        for name, value in other.items():
            known = merged.get(name)
            if known is not value:
                merged[name] = value if known is None else join(known, value)

    def _forget(self, origins: set[object]) -> None:
        """What is known to be harmless from here on."""
        if origins:
            for name, value in self._scope.variables.items():
                kept = frozenset(label for label in value.labels if label.origin not in origins)
                if kept != value.labels:
                    self._scope.variables[name] = value.labelled(kept)


def module_of(scope: Scope) -> Scope:
    while scope.parent is not None:
        scope = scope.parent
    return scope


def summarise(analysis: Analysis, function: FunctionNode, owner: str, around: Scope) -> Summary:
    """Runs through a function once; what it does with its parameters."""
    key = id(function)
    if key in analysis.summaries:
        return analysis.summaries[key] or Summary()
    analysis.summaries[key] = None  # a call of itself adds nothing that is not known
    imports = analysis.module.imports
    scope = Scope(around, function)
    scope.owner = owner
    scope.is_handler = analysis.module.is_handler(function, owner)
    routed = scope.is_handler and bool(function.decorator_list)
    remote = untrusted_parameters(function, imports) if scope.is_handler else set()
    arguments = function.args
    extra = [item for item in (arguments.vararg, arguments.kwarg) if item is not None]
    for item in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *extra):
        if item.arg in {"self", "cls", "request", "req"}:
            continue
        kind = "remote" if item.arg in remote and (routed or owner == "") else "parameter"
        scope.variables[item.arg] = Value(
            f"{BOUND}{item.arg}", frozenset([Label(kind, (function, item.arg))])
        )
    scope.variables |= analysis.attributes.get(owner, {}) if owner and function.name != "__init__" else {}
    interpreter = Interpreter(analysis, scope)
    interpreter.run(function.body)
    if owner and function.name == "__init__":
        analysis.attributes[owner] = {
            name: value.labelled(label for label in value.labels if label.kind != "parameter")
            for name, value in scope.variables.items()
            if name.startswith("self.")
        }
    summary = Summary(scope.returns, scope.pending)
    analysis.summaries[key] = summary
    return summary


def run_module(analysis: Analysis) -> None:
    """Runs through the whole file: what is at its top, then every function."""
    scope = Scope()
    Interpreter(analysis, scope).run(analysis.module.tree.body)
    functions = analysis.module.functions
    for name in sorted(functions, key=lambda name: not name.endswith(".__init__")):
        summarise(analysis, functions[name], name.rpartition(".")[0], scope)


def _leaves(body: Sequence[ast.stmt]) -> bool:
    """Whether control never goes on behind these statements."""
    if not body:
        return False
    last = body[-1]
    if isinstance(last, (ast.Return, ast.Raise, ast.Continue, ast.Break)):
        return True
    if isinstance(last, ast.Expr) and isinstance(last.value, ast.Call):
        return _ENDS.search(ast.unparse(last.value.func)) is not None
    if isinstance(last, ast.If):
        return _leaves(last.body) and _leaves(last.orelse)
    return False
