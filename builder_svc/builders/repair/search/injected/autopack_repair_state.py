"""Puts data back that a candidate changed in passing, so that the next one in the process meets it whole."""

import copy
from collections.abc import Iterable, Iterator
from types import FunctionType, ModuleType
from typing import Any

_CONTAINERS = (list, dict, set)


class Snapshot:
    """Lists, dicts and sets at the level of modules, in parameters of tests and in defaults of functions."""

    def __init__(self, items: Iterable[Any], functions: Iterable[FunctionType]) -> None:
        found: dict[int, Any] = {}
        for value in _reachable(list(items), list(functions)):
            if type(value) in _CONTAINERS:
                found[id(value)] = value
        self._kept = []
        for value in found.values():
            try:
                self._kept.append((value, copy.deepcopy(value)))
            except Exception:
                continue  # it cannot be put back; who passes is judged anew in a process of its own

    def restore(self) -> None:
        """In place, where it differs."""
        for value, before in self._kept:
            try:
                if value == before:
                    continue
            except Exception:
                continue  # elements that cannot be compared
            fresh = copy.deepcopy(before)
            if isinstance(value, list):
                value[:] = fresh
            else:
                value.clear()
                value.update(fresh)


def _reachable(items: list[Any], functions: list[FunctionType]) -> Iterator[Any]:
    namespaces = {id(function.__globals__): function.__globals__ for function in functions}
    for item in items:
        module = getattr(item, "module", None)
        if isinstance(module, ModuleType):
            namespaces[id(vars(module))] = vars(module)
        callspec = getattr(item, "callspec", None)
        if callspec is not None:
            yield from callspec.params.values()
    for namespace in namespaces.values():
        yield from (value for name, value in namespace.items() if not name.startswith("__"))
    for function in functions:
        yield from function.__defaults__ or ()
