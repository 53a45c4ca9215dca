"""The gate through its own interface: real checks in the real sandbox, objects over the real GitService."""

from collections.abc import Mapping

from autopack.api.gate.v1 import verdict_pb2


async def test_an_honest_change_is_accepted(bench, project_files: Mapping[str, bytes]) -> None:
    head = {**project_files, "src/maths.py": b"def double(x):\n    return x + x\n"}
    verdict = await bench.judge(project_files, head)
    assert verdict.decision == verdict_pb2.DECISION_ACCEPT, verdict
    print(verdict)
