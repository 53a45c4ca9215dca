"""`autopack doctor`: what this machine can and cannot do, each with its one-line mend."""

import os

from autopack.cli import outcome
from autopack.cli.machine import examine


def doctor(as_json: bool) -> int:
    """4 where something essential is missing, such as any sandbox that works."""
    findings, tiers = examine(os.environ)
    broken = [finding for finding in findings if finding.essential and not finding.holds]
    if as_json:
        facts = [
            {
                "name": finding.name,
                "ok": finding.holds,
                "essential": finding.essential,
                "detail": finding.detail,
                "fix": "" if finding.holds else finding.fix,
            }
            for finding in findings
        ]
        outcome.print_json("doctor", {"ok": not broken, "tiers": list(tiers), "facts": facts})
        return outcome.INFRASTRUCTURE if broken else outcome.DONE
    from rich.text import Text

    from autopack.cli.terminal import neutralise, output

    for finding in findings:
        mark, style = (
            ("ok", "green")
            if finding.holds
            else ("NO", "bold red")
            if finding.essential
            else ("no", "yellow")
        )
        line = Text.assemble((f"{mark:3}", style), f" {finding.name:24} ", neutralise(finding.detail, True))
        output().print(line)
        if not finding.holds and finding.fix:
            output().print(Text(f"      -> {neutralise(finding.fix, True)}", "green"))
    if broken:
        output().print(Text(f"not fit to run: {', '.join(finding.name for finding in broken)}", "bold red"))
    return outcome.INFRASTRUCTURE if broken else outcome.DONE
