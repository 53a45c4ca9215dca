"""`autopack do`: a goal becomes a plan of one phase, run or written."""

import re
from pathlib import Path
from typing import Any

from autopack.cli import outcome
from autopack.cli.plan_file import read_document
from autopack.cli.session import Session
from autopack.errors import AlreadyExists, InvalidInput, Reason

SLUG_CHARACTERS = 40


def do(
    goal: str,
    scope: list[str],
    builder: str,
    line: str,
    diff: Path | None,
    checks: list[str],
    write_plan: Path | None,
    repo: str,
    server: str,
    wait: bool,
    as_json: bool,
) -> int:
    """Builds the plan, then writes it to a file or runs it."""
    name = slug(goal)
    phase: dict[str, Any] = {
        "id": name,
        "goal": goal,
        "scope": {"paths": scope},
        "builder": _builder(builder, line, diff),
    }
    if checks:
        phase["checks"] = [{"name": f"check-{number}", "run": run} for number, run in enumerate(checks, 1)]
    written = {"version": 1, "name": name, "base": "HEAD", "phases": [phase]}
    if write_plan is not None:
        return _write(written, write_plan, as_json)
    session = Session(server)
    from autopack.cli.driving import in_session
    from autopack.cli.submission import submit
    from autopack.policy.plan import load_plan

    async def work(session: Session) -> int:
        return await submit(session, load_plan(_yaml(written), "the command line"), repo, None, wait, as_json)

    return in_session(session, work)


def _builder(name: str, line: str, diff: Path | None) -> dict[str, str]:
    """The builder as a plan writes it: of a kind that plans know, else by its name in the policy."""
    if (name == "command") != bool(line) or (name == "patch") != (diff is not None):
        fix = "give `command` with --run LINE, `patch` with --diff FILE, or a builder that the policy names"
        raise InvalidInput(Reason("USAGE", f"the builder {name!r} does not go with these options", fix))
    if line:
        return {"kind": "command", "run": line}
    if diff is not None:
        return {"kind": "patch", "diff": read_document(diff, "PATCH")}
    return {"kind": "repair"} if name == "repair" else {"use": name}


def slug(goal: str) -> str:
    """An id made of a goal's first words."""
    words = re.findall(r"[a-z0-9]+", goal.lower())
    slug = ""
    for word in words:
        if len(slug) + len(word) >= SLUG_CHARACTERS:
            break
        slug += f"-{word}" if slug else word
    # A first word that is too long by itself is cut, in want of a better place.
    return slug or "".join(words)[:SLUG_CHARACTERS] or "change"


def _yaml(plan: dict[str, Any]) -> str:
    import yaml

    return yaml.safe_dump(plan, sort_keys=False, allow_unicode=True, width=100)


def _write(plan: dict[str, Any], path: Path, as_json: bool) -> int:
    from autopack.policy.plan import load_plan

    text = _yaml(plan)
    load_plan(text, "the command line")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise AlreadyExists(
            Reason("FILE_EXISTS", f"{path} exists", "choose another name, or remove it first", str(path))
        ) from None
    if as_json:
        outcome.print_json("plan-file", {"path": str(path), "next": f"autopack run {path}"})
    else:
        from autopack.cli.terminal import output

        output().print(f"wrote {path}\nnext:\n  autopack run {path}")
    return outcome.DONE
