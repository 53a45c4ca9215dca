"""Runs mutants of an instrumented product under unittest, in forks, once its tests have run."""

from __future__ import annotations

import time
import unittest
from collections.abc import Sequence
from typing import Any

import autopack_probe

_STARTED = time.monotonic()
autopack_probe.install()


def probe(cases: list[tuple[Any, str, str]], seconds: dict[str, float]) -> None:
    """Tries the mutants with tests that have passed: class, method and name of each."""
    by_name = {name: (kind, method) for kind, method, name in cases}

    def run(tests: Sequence[str]) -> bool:
        result = unittest.TestResult()
        result.failfast = True
        unittest.TestSuite([kind(method) for kind, method in map(by_name.__getitem__, tests)])(result)
        return not result.wasSuccessful()

    autopack_probe.probe.report({name: seconds[name] for name in by_name}, run, _STARTED, True)
