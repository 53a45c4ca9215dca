"""`autopack init`: the files that a repository needs, written where there are none."""

import os
import shlex
from pathlib import Path

from autopack.cli import outcome
from autopack.cli.project_files import (
    ACTION_PATH,
    ACTION_TEXT,
    CI_PATH,
    CI_TEXT,
    CONTRACTS_PATH,
    CONTRACTS_TEXT,
    HOOK_PATH,
    HOOK_TEXT,
    find_runner,
    ledger_texts,
    policy_text,
)
from autopack.cli.repository import git, root_of
from autopack.cli.terminal import output
from autopack.errors import InvalidInput, Reason
from autopack.host.places import places_of
from autopack.signing.keys import create_private_key


def init(directory: Path, as_json: bool) -> int:
    """Writes policy, ledgers and CI file; keeps what is there; says what to commit."""
    root = root_of(directory)
    if git(root, "rev-parse", "--is-bare-repository") == "true":
        raise InvalidInput(Reason("REPOSITORY_BARE", f"{root} is bare", "run it in a clone with a work tree"))
    runner = find_runner(root)
    texts = {"autopack.yaml": policy_text(root, runner), **ledger_texts(), CI_PATH: CI_TEXT}
    texts |= {CONTRACTS_PATH: CONTRACTS_TEXT, HOOK_PATH: HOOK_TEXT}
    texts[ACTION_PATH] = ACTION_TEXT
    written = [path for path, text in texts.items() if _write(root, path, text)]
    kept = [path for path in texts if path not in written]
    commit = shlex.join(["git", "-C", str(root), "add", "--", *written])
    commands = [commit, f'git -C {shlex.quote(str(root))} commit -m "Adopt Autopack"'] if written else []
    if HOOK_PATH in written:
        commands.append(f"git -C {shlex.quote(str(root))} config core.hooksPath .githooks")
    public = _public_key()
    if as_json:
        found = {"run": runner.run, "reports": runner.reports, "found": runner.found} if runner else None
        document = {"written": written, "kept": kept, "runner": found, "next": commands}
        outcome.print_json("init", {**document, "public_key": str(public)})
        return outcome.DONE
    for path in written:
        output().print(f"wrote {path}")
    for path in kept:
        output().print(f"kept  {path}")
    if "autopack.yaml" in written:
        if runner is not None:
            output().print(f"tests are run by `{runner.run}` (found: {runner.found})")
        else:
            output().print(
                "no test runner was found: add a check to autopack.yaml, else nothing can land (NO_CHECKS)"
            )
    output().print(f"verdicts are signed; whoever verifies needs {public}")
    if commands:
        output().print("next:")
        for line in commands:
            output().print(f"  {line}")
        output().print("  autopack do 'GOAL' --builder command --run LINE --scope GLOB")
    return outcome.DONE


def _public_key() -> Path:
    """The gate's public key on this machine, which is made where there is none."""
    places = places_of(os.environ)
    places.prepare()
    create_private_key(places.key)
    return places.key.with_suffix(".pub")


def _write(root: Path, path: str, text: str) -> bool:
    """Whether the file was written; one that exists, or would be outside, is left alone."""
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.parent.resolve().is_relative_to(root.resolve()):
        raise InvalidInput(
            Reason(
                "PATH_ESCAPES",
                f"{target.parent} leads out of the repository",
                "remove the symbolic link",
                path,
            )
        )
    try:
        descriptor = os.open(
            target,
            os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW,
            0o777 if path == HOOK_PATH else 0o666,
        )
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    return True
