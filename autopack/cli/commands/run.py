"""`autopack run`: a plan, driven to its next stop."""

from pathlib import Path

from autopack.cli.session import Session


def run(
    plan: Path, repo: str, run_id: str | None, server: str, dry_run: bool, wait: bool, as_json: bool
) -> int:
    """Submits the plan and follows it, or only says what would be done."""
    session = Session(server, start=("orchestrator",)) if dry_run else Session(server)
    # The all-in-one starts while all this is imported.
    from autopack.cli.driving import in_session
    from autopack.cli.plan_file import read_plan
    from autopack.cli.submission import plan_only, submit

    async def work(session: Session) -> int:
        loaded = read_plan(plan)
        if dry_run:
            return await plan_only(session, loaded, repo, as_json)
        return await submit(session, loaded, repo, run_id, wait, as_json)

    return in_session(session, work)
