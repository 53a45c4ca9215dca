"""The command line: what each command takes; the work is imported when it is asked for."""

from pathlib import Path
from typing import Annotated

import typer

from autopack.cli.upkeep import upkeep

app = typer.Typer(
    name="autopack",
    help="A governed assembly line for code changes: plan, build, audit, gate, land, remember.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
Repo = Annotated[str, typer.Option("--repo", metavar="DIR|URL", help="The repository.")]
RepoDirectory = Annotated[Path, typer.Option("--repo", metavar="DIR", help="The repository.")]
Server = Annotated[
    str,
    typer.Option(
        "--server",
        metavar="ADDR",
        envvar="AUTOPACK_SERVER",
        help="An orchestrator to ask; without it, the all-in-one.",
    ),
]
RunId = Annotated[str, typer.Argument(metavar="RUN")]
PhaseId = Annotated[str, typer.Argument(metavar="PHASE")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait for approvals too, instead of leaving with 3.")]
Base = Annotated[str, typer.Option("--base", metavar="REV", help="Revision before the change.")]
Head = Annotated[str, typer.Option("--head", metavar="REV", help="Revision with the change.")]


@app.command()
def init(repo: RepoDirectory = Path(), json: Json = False) -> int:
    """Write policy, ledgers, docs/INDEX.md and CI files; overwrites nothing."""
    from autopack.cli.commands import init as command

    return command.init(repo, json)


@app.command()
def do(
    goal: Annotated[str, typer.Argument(metavar="GOAL", help="What is to be achieved, in words.")],
    scope: Annotated[
        list[str], typer.Option("--scope", metavar="GLOB", help="What may be changed; repeatable.")
    ],
    builder: Annotated[
        str, typer.Option("--builder", metavar="NAME", help="command, patch, or one that the policy names.")
    ],
    run: Annotated[
        str, typer.Option("--run", metavar="LINE", help="With `--builder command`: a shell line.")
    ] = "",
    diff: Annotated[
        Path | None, typer.Option("--diff", metavar="FILE", help="With `--builder patch`: a unified diff.")
    ] = None,
    check: Annotated[
        list[str] | None, typer.Option("--check", metavar="CMD", help="A check to add; repeatable.")
    ] = None,
    write_plan: Annotated[
        Path | None, typer.Option("--write-plan", metavar="FILE", help="Write it, do not run it.")
    ] = None,
    repo: Repo = ".",
    server: Server = "",
    wait: Wait = False,
    json: Json = False,
) -> int:
    """Run, or write, a plan of one phase."""
    from autopack.cli.commands import do as implementation

    return implementation.do(
        goal, scope, builder, run, diff, check or [], write_plan, repo, server, wait, json
    )


@app.command()
def run(
    plan: Annotated[Path, typer.Argument(metavar="PLAN.yaml")],
    repo: Repo = ".",
    run_id: Annotated[
        str | None, typer.Option("--run-id", metavar="ID", help="Its id; the same id finds the same run.")
    ] = None,
    server: Server = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")
    ] = False,
    wait: Wait = False,
    json: Json = False,
) -> int:
    """Drive a plan to landed commits."""
    from autopack.cli.commands import run as command

    return command.run(plan, repo, run_id, server, dry_run, wait, json)


@app.command()
def validate(file: Annotated[Path, typer.Argument(metavar="FILE")], json: Json = False) -> int:
    """Check a plan or a policy."""
    from autopack.cli.commands import documents

    return documents.validate(file, json)


@app.command()
def schema(document: Annotated[str, typer.Argument(metavar="plan|policy")]) -> int:
    """Print the JSON Schema of plans or of policies."""
    from autopack.cli.commands import documents

    return documents.schema(document)


@app.command()
def runs(
    server: Server = "",
    json: Json = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="At most so many.")] = 50,
) -> int:
    """List runs, newest first."""
    from autopack.cli.commands import look

    return look.runs(limit, server, json)


@app.command()
def status(run: RunId, server: Server = "", json: Json = False) -> int:
    """Show where a run stands."""
    from autopack.cli.commands import look

    return look.status(run, server, json)


@app.command()
def show(run: RunId, server: Server = "", json: Json = False) -> int:
    """Show a run with attempts, verdicts and reasons."""
    from autopack.cli.commands import look

    return look.show(run, server, json)


@app.command()
def diff(
    run: RunId,
    phase: PhaseId,
    server: Server = "",
    raw: Annotated[
        bool, typer.Option("--raw", help="The exact bytes, not made harmless for terminals.")
    ] = False,
) -> int:
    """Show a phase's last change."""
    from autopack.cli.commands import look

    return look.diff(run, phase, server, raw)


@app.command()
def cancel(run: RunId, server: Server = "", json: Json = False) -> int:
    """Stop a run; what has landed stays."""
    from autopack.cli.commands import answer

    return answer.cancel(run, server, json)


@app.command()
def resume(run: RunId, server: Server = "", wait: Wait = False, json: Json = False) -> int:
    """Go on with a run that was interrupted."""
    from autopack.cli.commands import answer

    return answer.resume(run, server, wait, json)


@app.command()
def approve(
    digest: Annotated[
        str, typer.Option("--digest", metavar="SHA", help="The change digest that was looked at.")
    ],
    run: RunId = "",
    phase: PhaseId = "",
    key: Annotated[
        Path | None, typer.Option("--key", metavar="FILE", help="Your private key, to sign with.")
    ] = None,
    name: Annotated[
        str, typer.Option("--as", metavar="NAME", help="Who you are in the policy's approvals.keys.")
    ] = "",
    server: Server = "",
    wait: Wait = False,
    json: Json = False,
) -> int:
    """Approve what a phase waits with, and go on with the run; without one, print it for gate --approvals."""
    from autopack.cli.commands import answer

    if not run:
        return answer.consent(digest, key, name)
    return answer.approve(run, phase, digest, key, name, server, wait, json)


@app.command()
def reject(
    run: RunId,
    phase: PhaseId,
    why: Annotated[str, typer.Option("--why", metavar="TEXT")],
    server: Server = "",
    wait: Wait = False,
    json: Json = False,
) -> int:
    """Reject the change that a phase waits with, and go on with the run."""
    from autopack.cli.commands import answer

    return answer.reject(run, phase, why, server, wait, json)


@app.command()
def gate(
    base: Base,
    head: Head,
    repo: RepoDirectory = Path(),
    category: Annotated[
        str, typer.Option("--category", metavar="C", help="Added to those found from paths.")
    ] = "feature",
    approvals: Annotated[
        Path | None, typer.Option("--approvals", metavar="FILE", help="Approvals given so far.")
    ] = None,
    sarif: Annotated[
        Path | None, typer.Option("--sarif", metavar="FILE", help="Write the audit's findings there.")
    ] = None,
    summary: Annotated[
        Path | None, typer.Option("--summary", metavar="FILE", help="Append the verdict there, in Markdown.")
    ] = None,
    json: Json = False,
) -> int:
    """Judge any change: audit, checks, verdict."""
    from autopack.cli.commands import gate as command

    return command.gate(repo, base, head, category, approvals, sarif, summary, json)


@app.command()
def audit(
    base: Base,
    head: Head,
    repo: RepoDirectory = Path(),
    output: Annotated[str, typer.Option("--format", metavar="text|json|sarif")] = "text",
) -> int:
    """Review what a change introduces."""
    from autopack.cli.commands import gate as command

    return command.audit(repo, base, head, output)


@app.command()
def tidy(
    execute: Annotated[
        bool, typer.Option("--execute", help="Land the entries; without it, only show them.")
    ] = False,
    repo: Repo = ".",
    branch: Annotated[
        str, typer.Option("--branch", metavar="NAME", help="Where they land; default: HEAD's.")
    ] = "",
    server: Server = "",
    json: Json = False,
) -> int:
    """Consolidate merged runs into the ledgers."""
    from autopack.cli.commands import memory

    return memory.tidy(execute, repo, branch, server, json)


@app.command()
def index(
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Forget what is derived first.")] = False,
    repo: RepoDirectory = Path(),
    json: Json = False,
) -> int:
    """Bring memory's index up to the ledgers."""
    from autopack.cli.commands import memory

    return memory.index(rebuild, repo, json)


@app.command()
def recall(
    query: Annotated[str, typer.Argument(metavar="QUERY")],
    repo: RepoDirectory = Path(),
    pending: Annotated[bool, typer.Option("--pending", help="Also what failed or is not merged.")] = False,
    code: Annotated[bool, typer.Option("--code/--no-code", help="Also the project's own code.")] = True,
    json: Json = False,
) -> int:
    """Find what is known about something."""
    from autopack.cli.commands import memory

    return memory.recall(query, repo, pending, code, json)


contracts = typer.Typer(help="Hold what the ledgers promise.", no_args_is_help=True)
app.add_typer(contracts, name="contracts")


@contracts.callback()
def _contracts() -> None:
    """Hold what the ledgers promise."""


@contracts.command("check")
def contracts_check(
    repo: RepoDirectory = Path(),
    staged: Annotated[bool, typer.Option("--staged", help="What the next commit would hold.")] = False,
    write: Annotated[bool, typer.Option("--write", help="First write what is generated anew.")] = False,
    since: Annotated[
        str, typer.Option("--since", metavar="COMMIT", help="Take earlier history as it is.")
    ] = "",
    json: Json = False,
) -> int:
    """Check that ledgers only grow, and that all they name is there."""
    from autopack.cli.commands import contracts as command

    return command.check(repo, staged, write, since, json)


@app.command()
def trace(
    run: RunId,
    otlp: Annotated[str, typer.Option("--otlp", metavar="ENDPOINT", help="Send it there by OTLP/gRPC.")] = "",
    calls: Annotated[bool, typer.Option("--calls", help="Also every call between services.")] = False,
    server: Server = "",
    json: Json = False,
) -> int:
    """Show a run's trace as a waterfall."""
    from autopack.cli.commands import trace as command

    return command.trace(run, otlp, calls, server, json)


@app.command()
def report(
    run: RunId,
    file: Annotated[Path, typer.Option("--output", "-o", metavar="FILE.html", help="Where it is written.")],
    server: Server = "",
    json: Json = False,
) -> int:
    """Write all of a run to one HTML page."""
    from autopack.cli.commands import report as command

    return command.report(run, file, server, json)


@app.command()
def verify(
    target: Annotated[
        str, typer.Argument(metavar="[REV|RUN|A..B]", help="A run, a commit with its run, or a range.")
    ] = "HEAD",
    repo: RepoDirectory = Path(),
    key: Annotated[
        list[Path] | None, typer.Option("--key", metavar="PUB", help="A public key to trust; repeatable.")
    ] = None,
    json: Json = False,
) -> int:
    """Check offline why each commit was accepted."""
    from autopack.cli.commands import verify as command

    return command.verify(target, repo, key or [], json)


@app.command()
def replay(
    run: RunId,
    repo: RepoDirectory = Path(),
    key: Annotated[
        list[Path] | None, typer.Option("--key", metavar="PUB", help="Of the record's signer; repeatable.")
    ] = None,
    json: Json = False,
) -> int:
    """Run an earlier run's line again from a clone, and say whether the same comes out."""
    from autopack.cli.commands import replay as command

    return command.replay(run, repo, key or [], json)


@app.command("key")
def key_command(
    action: Annotated[str, typer.Argument(metavar="show|rotate|revoke")] = "show",
    repo: Annotated[
        list[Path] | None, typer.Option("--repo", metavar="DIR", help="Where it signed; repeatable.")
    ] = None,
    attested: Annotated[
        str | None,
        typer.Option("--attested", metavar="COMMIT", help="Up to here the key counts."),
    ] = None,
    json: Json = False,
) -> int:
    """Show the gate's public key, hand it over to a new one, or revoke it."""
    from autopack.cli.commands import key as command

    return command.key(action, repo or [], attested, json)


app.add_typer(upkeep)


@app.command()
def serve(
    service: Annotated[str, typer.Argument(metavar="orchestrator|builder|auditor|gate|memory|all")],
) -> int:
    """Run one service alone, or all of them, until SIGTERM."""
    from autopack.cli.commands import serve as command

    return command.serve(service)
