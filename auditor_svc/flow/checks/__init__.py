"""Weaknesses that show in the shape of the code: each check gives the nodes where it saw one."""

import ast
from collections.abc import Callable, Iterator

from auditor_svc.flow.checks import concurrency, control, credentials, errors, expressions, web
from auditor_svc.flow.modules import Module

Check = Callable[[Module], Iterator[ast.AST]]
CHECKS: dict[str, Check] = {
    check.__name__: check
    for module in (concurrency, control, credentials, errors, expressions, web)
    for check in module.CHECKS
}
"""By the name that rules call them by."""
