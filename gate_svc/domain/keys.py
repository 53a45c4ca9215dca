"""Digests by which an earlier result is known to be the result of the same thing."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict

from autopack.policy.plan import Check
from autopack.policy.policy import Environment, SandboxRules


def environment_digest(environment: Environment, inputs: Iterable[tuple[str, str]]) -> str:
    """SHA-256 of what an environment is made from: its settings, and (path, blob id) of its inputs."""
    return _digest({"schema": "environment/v1", **asdict(environment), "files": sorted(inputs)})


def check_key(
    check: Check,
    tree: str,
    environment: str,
    rules: SandboxRules,
    tier: str,
    machine: str,
    judge: str = "",
    only: tuple[str, ...] = (),
) -> str:
    """SHA-256 of all that the outcome of a check depends on. Its name is no part of it.

    `machine` stands for the gate's version and the Python that the checks find; `judge` for what in the tree
    is not the tree's own, and `only` names the test files that are run, where not all are.
    """
    return _digest(
        {
            "schema": "check/v1",
            "run": check.run,
            "reports": check.reports,
            "timeout": check.timeout,
            "tree": tree,
            "environment": environment,
            "sandbox": asdict(rules),
            "tier": tier,
            "machine": machine,
            "judge": judge,
            "only": only,
        }
    )


def _digest(document: object) -> str:
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
