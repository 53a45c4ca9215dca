"""Runs commands that nobody trusts: `probe` what works here, `select` a sandbox, open a workspace in it."""

from autopack.sandbox.capabilities import Capabilities, Fact
from autopack.sandbox.chosen import Sandboxes
from autopack.sandbox.port import Command, Limits, Result, Sandbox, Tier, Workspace
from autopack.sandbox.probe import probe
from autopack.sandbox.proof_record import proven_limits
from autopack.sandbox.proofs import prove_limits
from autopack.sandbox.selection import select

__all__ = [
    "Capabilities",
    "Command",
    "Fact",
    "Limits",
    "Result",
    "Sandbox",
    "Sandboxes",
    "Tier",
    "Workspace",
    "probe",
    "prove_limits",
    "proven_limits",
    "select",
]
