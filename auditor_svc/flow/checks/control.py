"""Conditions, loops and indices that are wrong in themselves."""

import ast
import re
from collections.abc import Iterator

from auditor_svc.flow.modules import FUNCTIONS, Module

_EQUALITY = re.compile(r"(?i)equal|same|compar|match|__eq__|identical")


def identity_comparison(module: Module) -> Iterator[ast.AST]:
    """Of two parameters, or with a number or text; not of sentinels, types or None."""
    for function in module.of(*FUNCTIONS):
        parameters = {
            item.arg for item in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
        } - {"self", "cls"}
        for compare in ast.walk(function):
            if (
                isinstance(compare, ast.Compare)
                and len(compare.ops) == 1
                and isinstance(compare.ops[0], (ast.Is, ast.IsNot))
            ):
                left, right = compare.left, compare.comparators[0]
                both = (
                    isinstance(left, ast.Name)
                    and isinstance(right, ast.Name)
                    and {left.id, right.id} <= parameters
                    and left.id != right.id
                    and (
                        _EQUALITY.search(function.name) is not None
                        or left.id.rstrip("0123456789") == right.id.rstrip("0123456789")
                    )
                )
                literal = any(
                    isinstance(side, ast.Constant)
                    and isinstance(side.value, (str, bytes, int, float))
                    and not isinstance(side.value, bool)
                    for side in (left, right)
                )
                if literal or (
                    both
                    and not re.search(
                        r"(?i)sentinel|type|cls|class|missing|unset|default|loop|thread", ast.unparse(compare)
                    )
                ):
                    yield compare


def endless_loop(module: Module) -> Iterator[ast.AST]:
    """Its condition is over plain names alone, and the loop does nothing that could change one."""
    for loop in module.of(ast.While):
        names = {node.id for node in ast.walk(loop.test) if isinstance(node, ast.Name)}
        opaque = any(
            isinstance(node, (ast.Call, ast.Attribute, ast.Subscript, ast.Await, ast.NamedExpr, ast.Yield))
            for node in ast.walk(loop.test)
        )
        if not names or opaque or not isinstance(loop.test, (ast.Compare, ast.BoolOp)):
            continue
        inside = [node for statement in loop.body for node in ast.walk(statement)]
        if any(
            isinstance(
                node,
                (
                    ast.Break,
                    ast.Return,
                    ast.Raise,
                    ast.Yield,
                    ast.YieldFrom,
                    ast.Await,
                    ast.Global,
                    ast.Nonlocal,
                ),
            )
            for node in inside
        ):
            continue
        bound = {
            node.id
            for node in inside
            if isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del))
        }
        passed = {
            node.id
            for call in inside
            if isinstance(call, ast.Call)
            for node in ast.walk(call)
            if isinstance(node, ast.Name)
        }
        free = {
            name
            for function in module.of(*FUNCTIONS)
            for node in ast.walk(function)
            if isinstance(node, (ast.Global, ast.Nonlocal))
            for name in node.names
        }
        if not names & (bound | passed | free):
            yield loop


def off_by_one(module: Module) -> Iterator[ast.AST]:
    for each in module.of(ast.While):
        match = re.fullmatch(r"(\w+) <= len\(([\w.]+)\)", ast.unparse(each.test))
        for node in (inner for statement in each.body for inner in ast.walk(statement)):
            if match and isinstance(node, ast.Subscript) and ast.unparse(node) == f"{match[2]}[{match[1]}]":
                yield node
    for loop in module.of(ast.For):
        match = re.fullmatch(r"range\((?:\w+, )?len\(([\w.]+)\) \+ 1(?:, 1)?\)", ast.unparse(loop.iter))
        if match and isinstance(loop.target, ast.Name):
            wanted = f"{match[1]}[{loop.target.id}]"
            for node in (inner for statement in loop.body for inner in ast.walk(statement)):
                if isinstance(node, ast.Subscript) and ast.unparse(node) == wanted:
                    yield node
    for subscript in module.of(ast.Subscript):
        if (
            isinstance(subscript.slice, ast.Call)
            and ast.unparse(subscript.slice) == f"len({ast.unparse(subscript.value)})"
        ):
            yield subscript


def duplicate_key(module: Module) -> Iterator[ast.AST]:
    for mapping in module.of(ast.Dict):
        seen: set[tuple[type, object]] = set()
        for key in mapping.keys:
            if isinstance(key, ast.Constant):
                if (type(key.value), key.value) in seen:
                    yield key
                seen.add((type(key.value), key.value))
    for call in module.of(ast.Call):
        if (
            isinstance(call.func, ast.Name)
            and call.func.id == "dict"
            and call.args
            and isinstance(call.args[0], (ast.List, ast.Tuple))
        ):
            yield from _repeated_pairs(call.args[0])
    for assign in module.of(ast.Assign):
        if isinstance(assign.value, (ast.List, ast.Tuple)):
            yield from _repeated_pairs(assign.value)


def _repeated_pairs(node: ast.List | ast.Tuple) -> Iterator[ast.AST]:
    """Pairs in a list that is used as a table: every element a pair whose first is a constant."""
    pairs = [
        item
        for item in node.elts
        if isinstance(item, (ast.Tuple, ast.List))
        and len(item.elts) == 2
        and isinstance(item.elts[0], ast.Constant)
    ]
    if len(pairs) < 2 or len(pairs) != len(node.elts):
        return
    seen: set[tuple[type, object]] = set()
    for pair in pairs:
        first = pair.elts[0]
        assert isinstance(first, ast.Constant)
        if isinstance(first.value, str) and (str, first.value) in seen:
            yield pair
        seen.add((type(first.value), first.value))


CHECKS = (identity_comparison, endless_loop, off_by_one, duplicate_key)
