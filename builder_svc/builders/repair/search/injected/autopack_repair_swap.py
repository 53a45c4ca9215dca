"""Puts a candidate's code into modules that are loaded already, and into those that are loaded later."""

import gc
import importlib.machinery
import os
import sys
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any


class Swapper:
    """Functions by file and qualified name, found once; code swapped in a forked child."""

    def __init__(self) -> None:
        self._functions: dict[str, list[tuple[FunctionType, str, int]]] | None = None
        self._codes: list[tuple[FunctionType, CodeType]] = []

    def index(self, files: list[str]) -> None:
        """Finds every function that the files made so far."""
        if self._functions is not None:
            return
        wanted = {os.path.realpath(path): path for path in files}
        found: dict[str, dict[str, list[FunctionType]]] = {path: {} for path in files}
        for value in gc.get_objects():
            if type(value) is FunctionType:
                path = wanted.get(os.path.realpath(value.__code__.co_filename))
                if path is not None:
                    found[path].setdefault(value.__code__.co_qualname, []).append(value)
        self._functions = {}
        for path, by_name in found.items():
            entries = self._functions.setdefault(path, [])
            for name, functions in by_name.items():
                lines = sorted({function.__code__.co_firstlineno for function in functions})
                entries += [
                    (function, name, lines.index(function.__code__.co_firstlineno)) for function in functions
                ]
        self._codes = [
            (function, function.__code__)
            for entries in self._functions.values()
            for function, _, _ in entries
        ]
        gc.collect()
        gc.freeze()

    @property
    def functions(self) -> list[FunctionType]:
        """All that were found."""
        return [function for function, _ in self._codes]

    def restore(self) -> None:
        """Makes every function what it was."""
        for function, code in self._codes:
            function.__code__ = code

    def function(self, path: str, name: str) -> FunctionType:
        """The function of that qualified name in a file."""
        return next(function for function, known, _ in (self._functions or {})[path] if known == name)

    def install(self, sources: dict[str, str], module_level: bool) -> str:
        """Makes the sources the code that runs from here on; says why it cannot, or nothing."""
        for path, source in sources.items():
            try:
                code = compile(source, path, "exec", dont_inherit=True)
            except (SyntaxError, ValueError):
                return "invalid"
            fresh: dict[str, list[CodeType]] = {}
            for nested in _nested(code):
                fresh.setdefault(nested.co_qualname, []).append(nested)
            for function, name, number in (self._functions or {}).get(path, ()):
                codes = fresh.get(name, [])
                if number >= len(codes) or codes[number].co_freevars != function.__code__.co_freevars:
                    return "cold"
                function.__code__ = codes[number]
            if module_level:
                _execute_anew(path, code)
        if not all((self._functions or {}).get(path) for path in sources):
            _load_from(sources)
        return ""


def _nested(code: CodeType) -> Iterator[CodeType]:
    """In the order in which they are written."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _nested(constant)


def _load_from(sources: dict[str, str]) -> None:
    """Modules that are imported only now get the candidate's source."""
    real = {os.path.realpath(path): source for path, source in sources.items()}
    ordinary = importlib.machinery.SourceFileLoader.get_code

    def get_code(self: importlib.machinery.SourceFileLoader, fullname: str) -> CodeType | None:
        path = self.get_filename(fullname)
        source = real.get(os.path.realpath(path))
        return (
            ordinary(self, fullname) if source is None else compile(source, path, "exec", dont_inherit=True)
        )

    importlib.machinery.SourceFileLoader.get_code = get_code  # type: ignore[assignment,method-assign]  # in a forked child


def _execute_anew(path: str, code: CodeType) -> None:
    """Values, defaults and class attributes of a module as its changed source makes them."""
    for module in list(sys.modules.values()):
        if isinstance(module, ModuleType) and _file(module) == os.path.realpath(path):
            namespace = {
                key: value
                for key, value in vars(module).items()
                if key.startswith("__") and key.endswith("__")
            }
            exec(code, namespace)
            _transplant(vars(module), namespace, vars(module).__setitem__)


def _file(module: ModuleType) -> str:
    path = getattr(module, "__file__", None)
    return os.path.realpath(path) if isinstance(path, str) else ""


def _transplant(old: Any, new: dict[str, Any], put: Any) -> None:
    for name, value in new.items():
        before = old.get(name)
        if isinstance(value, FunctionType) and isinstance(before, FunctionType):
            before.__defaults__, before.__kwdefaults__ = value.__defaults__, value.__kwdefaults__
        elif isinstance(value, type) and isinstance(before, type):
            _transplant(vars(before), dict(vars(value)), lambda key, item, to=before: setattr(to, key, item))
        elif not isinstance(value, ModuleType) and not (name.startswith("__") and name.endswith("__")):
            put(name, value)
