"""Real coding agents with a provider of this machine (`python -m benchmarks.agents DIRECTORY ...`).

The directories are where they were installed: a virtual environment or what npm was run in.
"""

import argparse
import asyncio
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from autopack.database.database import Database
from benchmarks.agent_provider import Provider, provider
from builder_svc.__main__ import MIGRATIONS
from builder_svc.builders.agent.installed import Installed
from builder_svc.builders.secrets import Secrets
from builder_svc.config import Config
from builder_svc.storage.exchanges import ExchangeStore
from tests.builder_svc.builder_harness import Client, named, running_builder, serving_owner

KEY = "sk-not-to-be-kept-anywhere"
NEW = "def a():\n    return 2\n"
GOAL = "Make a() in src/a.py return 2."


@dataclass(frozen=True, slots=True)
class Agent:
    """How one is pointed at the provider."""

    adapter: str
    model: str
    path: str
    """Of the endpoint."""
    secret: str


AGENTS = (
    Agent("mini-swe-agent", "openai/gpt-4o", "/v1", "OPENAI_API_KEY"),
    Agent("aider", "openai/recorded", "/v1", "OPENAI_API_KEY"),
    Agent("claude-code", "claude-sonnet-4-5", "", "ANTHROPIC_API_KEY"),
    Agent("codex", "gpt-5-codex", "/v1", "OPENAI_API_KEY"),
    Agent("opencode", "recorded", "/v1", "OPENAI_API_KEY"),
    Agent("gemini-cli", "gemini-2.5-flash", "", "GEMINI_API_KEY"),
)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directories", nargs="+", type=Path)
    parser.add_argument("--only", default="", help="adapters, separated by commas")
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--show", action="store_true", help="output and report of each")
    options = parser.parse_args()
    only = set(filter(None, options.only.split(",")))
    secrets = Secrets(dict.fromkeys((agent.secret for agent in AGENTS), KEY).get)
    print("| agent | provider | ended | change | tokens in, out | seconds | hosts that it was kept from |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        agents = Installed(tuple(path.resolve() for path in options.directories))
        config = Config(home / "builder", f"unix:{home}/builder.sock", secrets, agents=agents)
        async with serving_owner(home / "owner.git") as owner, running_builder(owner, config) as client:
            for agent in AGENTS:
                for down in (False, True):
                    if not only or agent.adapter in only:
                        with provider("src/a.py", NEW, "sed -i s/1/2/ src/a.py") as server:
                            server.down = down
                            await measure(client, agent, server, options.seconds, options.show)


async def measure(client: Client, agent: Agent, server: Provider, seconds: int, show: bool) -> None:
    settings = {
        "kind": "agent",
        "adapter": agent.adapter,
        "model": agent.model,
        "endpoint": f"http://{server.host}{agent.path}",
        "hosts": [server.host],
        "secrets": [agent.secret],
    }
    policy = yaml.safe_dump({"version": 1, "builders": {"local": settings}})
    start = time.perf_counter()
    build = await client.build(client.request(named(), policy=policy, goal=GOAL, seconds=seconds))
    took = time.perf_counter() - start
    ended, change = build.reasons[0].code if build.reasons else "built", "none"
    if build.commit:
        change = "as asked" if client.changed(build) == {"src/a.py": NEW.encode()} else "another"
    recorded = await exchange(client, build.exchange_digest)
    assert KEY not in json.dumps(recorded)
    refused = sorted(host["host"] for host in recorded.get("hosts", ()) if not host["allowed"])
    usage = f"{build.usage.input_tokens}, {build.usage.output_tokens}"
    state = "away" if server.down else "answers"
    kept = ", ".join(refused) or "none"
    print(f"| {agent.adapter} | {state} | {ended} | {change} | {usage} | {took:.1f} | {kept} |", flush=True)
    if show:
        said = (recorded.get("output"), recorded.get("report"))
        print(*(reason.message for reason in build.reasons), server.asked, *said, sep="\n")


async def exchange(client: Client, digest: str) -> dict[str, Any]:
    """What was recorded."""
    database = await asyncio.to_thread(Database.open, client.config.url, MIGRATIONS)
    try:
        document = await ExchangeStore(database, lambda: 0.0).read(digest)
    finally:
        await database.close()
    found: dict[str, Any] = json.loads(document)["exchange"][0] if document else {}
    return found


if __name__ == "__main__":
    asyncio.run(main())
