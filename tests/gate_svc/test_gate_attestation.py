"""The gate signs what it accepted, as it lands, and nothing else; others can check it."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
from in_toto_attestation.predicates.test_result.v0.test_result_pb2 import TestResult as Results
from in_toto_attestation.predicates.vsa.v1.vsa_pb2 import VerificationSummary
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.v1.statement_pb2 import Statement as StatementMessage
from securesystemslib.dsse import Envelope as OtherEnvelope
from securesystemslib.signer._key import SSlibKey

from autopack.api.gate.v1 import gate_service_pb2
from autopack.attestation.predicates import (
    CHANGE,
    OF_A_CHANGE,
    PROVENANCE,
    TEST_RESULT,
    VERIFICATION_SUMMARY,
)
from autopack.errors import AutopackError
from autopack.gitstore.store import Signature
from autopack.rpc.errors import call
from autopack.signing.dsse import pae, parse_envelope
from autopack.signing.keys import create_private_key, public_key
from autopack.signing.statement import parse_statement
from gate_svc.signing.process import KEY_VARIABLE, KeySource
from tests.gate_svc.gate_bench import ACCEPT, QUICK, Bench, open_bench

HEAD = {**QUICK, "src/maths.py": b"def double(x):\n    return x + x\n"}
RUN, PHASE = "run-1", "tidy-up"


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_bench(tmp_path) as found:
        yield found


async def landing(
    bench: Bench, head: Any = HEAD, trailers: str = "", **other: Any
) -> gate_service_pb2.AttestChangeRequest:
    """A judged change, and the request to sign the commit as which it lands."""
    request = bench.change(QUICK, HEAD)
    verdict = await bench.verdict(request)
    assert verdict.decision == ACCEPT
    store = bench.repository
    tree = store.commit_tree(bench.commit(head, request.base))
    said = trailers or (
        f"Autopack-Run: {RUN}\nAutopack-Phase: {PHASE}\nAutopack-Attempt: 1\n"
        f"Autopack-Verdict: sha256:{verdict.decision_digest}"
    )
    commit = store.commit(
        tree=tree, parents=[request.base], message=f"Tidy up\n\n{said}", author=Signature("a", "a@b", 7)
    )
    fields: dict[str, Any] = {
        "judgement_id": request.request_id,
        "commit": store.read_object(bytes.fromhex(commit))[1],
        "parent": store.read_object(bytes.fromhex(request.base))[1],
        "run_id": RUN,
        "phase_id": PHASE,
        "attempt": 1,
        "slot": 1,
        "run_base": request.base,
        "change": request.head,
        "builder_kind": "patch",
    }
    return gate_service_pb2.AttestChangeRequest(**(fields | other))


async def attest(bench: Bench, request: gate_service_pb2.AttestChangeRequest) -> list[bytes]:
    bundle: bytes = (await call(bench.stub.AttestChange(request))).bundle
    return bundle.splitlines()


async def refusal(bench: Bench, request: gate_service_pb2.AttestChangeRequest) -> str:
    with pytest.raises(AutopackError) as refused:
        await attest(bench, request)
    return refused.value.reasons[0].code


async def test_other_implementations_verify_what_the_gate_signs(bench: Bench, tmp_path: Path) -> None:
    envelopes = await attest(bench, await landing(bench))
    public = bench.config.directory / "keys" / "gate.pub"
    key = public_key(public.read_text(), "gate.pub")
    types = []
    for number, line in enumerate(envelopes):
        envelope = parse_envelope(line, "bundle")
        # in-toto's own library, which also reads the JSON by itself
        other = OtherEnvelope.from_dict(json.loads(line))
        sslib = SSlibKey(key.key_id, "ed25519", "ed25519", {"public": key.raw.hex()})
        assert other.verify([sslib], 1).keys() == {key.key_id}
        # and OpenSSL, over the bytes that DSSE says are signed
        (tmp_path / "message").write_bytes(pae(envelope.payload_type, envelope.payload))
        (tmp_path / "signature").write_bytes(envelope.signatures[0].signature)
        command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", str(public), "-rawin"]
        command += ["-in", str(tmp_path / "message"), "-sigfile", str(tmp_path / "signature")]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True)
        assert (done.returncode, done.stdout.strip()) == (0, "Signature Verified Successfully"), number
        types.append(parse_statement(envelope, "bundle").predicate_type)
    assert tuple(types) == OF_A_CHANGE


async def test_predicates_of_the_catalogue_are_what_in_totos_own_types_say(bench: Bench) -> None:
    for line in await attest(bench, await landing(bench)):
        statement = json.loads(parse_envelope(line, "bundle").payload)
        Statement.copy_from_pb(json_format.ParseDict(statement, StatementMessage())).validate()
        message = {
            TEST_RESULT: Results,
            PROVENANCE: Provenance,
            VERIFICATION_SUMMARY: VerificationSummary,
        }.get(statement["predicateType"])
        if message is not None:
            predicate = dict(statement["predicate"])
            # In-toto's Python types are behind the specification: they have one level and no version.
            levels = predicate.pop("verifiedLevels", [])
            assert all(isinstance(level, str) for level in levels)
            if "verifier" in predicate:
                predicate["verifier"] = {"id": predicate["verifier"]["id"]}
            json_format.ParseDict(predicate, message())


async def test_a_statement_names_commit_tree_and_all_that_decided(bench: Bench) -> None:
    request = await landing(bench)
    statement = parse_statement(parse_envelope((await attest(bench, request))[0], "bundle"), "bundle")
    decision = statement.predicate["decision"]
    assert statement.predicate_type == CHANGE
    assert statement.digests("gitTree") == (decision["tree"],)
    assert statement.predicate["parent"] == request.run_base
    assert decision["checks"][0]["outcome"] == "PASSED"
    assert statement.predicate["machine"]["sandbox"]["tier"] in {"namespaces", "landlock"}
    assert statement.predicate["machine"]["sandbox"]["enforced"]


async def test_the_same_landing_is_signed_with_the_same_bytes_also_after_a_restart(bench: Bench) -> None:
    request = await landing(bench)
    first = await attest(bench, request)
    await bench.gate.close()
    await bench.start()
    assert await attest(bench, request) == first


@pytest.mark.parametrize(
    ("differing", "code"),
    [
        ({"head": {**QUICK, "src/maths.py": b"evil = 1\n"}}, "ATTESTATION_REFUSED"),
        ({"parent": b"tree " + b"0" * 40 + b"\nauthor a\ncommitter a\n\nx\n"}, "ATTESTATION_REFUSED"),
        ({"phase_id": "other"}, "ATTESTATION_REFUSED"),
        ({"trailers": "Autopack-Verdict: sha256:0"}, "ATTESTATION_REFUSED"),
        ({"commit": b"no commit"}, "COMMIT_INVALID"),
        ({"judgement_id": "never"}, "OPERATION_NOT_FOUND"),
    ],
)
async def test_nothing_but_what_was_accepted_is_signed(
    bench: Bench, differing: dict[str, Any], code: str
) -> None:
    assert await refusal(bench, await landing(bench, **differing)) == code


async def test_a_rejected_change_is_not_signed(bench: Bench) -> None:
    request = await landing(bench)
    rejected = bench.change(QUICK, {**QUICK, "results": b"1..2\nok 1 - adds\nnot ok 2 - divides\n"})
    await bench.verdict(rejected)
    request.judgement_id = rejected.request_id
    assert await refusal(bench, request) == "ATTESTATION_REFUSED"


async def test_the_key_is_its_owners_alone_and_another_process_has_it(bench: Bench) -> None:
    await attest(bench, await landing(bench))
    path = bench.config.directory / "keys" / "gate.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    task = Path(f"/proc/{os.getpid()}/task/{os.getpid()}")
    children = [Path("/proc", pid) for pid in (task / "children").read_text().split()]
    signers = [child for child in children if str(path) in (child / "cmdline").read_text()]
    assert len(signers) == 1
    await bench.gate.close()
    assert not signers[0].exists()


async def test_an_exposed_key_is_not_used(bench: Bench, tmp_path: Path) -> None:
    request = await landing(bench)
    await attest(bench, request)
    await bench.gate.close()
    (bench.config.directory / "keys" / "gate.key").chmod(0o644)
    await bench.start()
    assert await refusal(bench, request) == "SIGNER_UNAVAILABLE"


async def test_a_command_can_hold_the_key(bench: Bench, tmp_path: Path) -> None:
    key = create_private_key(tmp_path / "kms.key")
    script = tmp_path / "kms"
    script.write_text(
        "#!/bin/sh\nd=$(mktemp -d); cat >$d/m\n"
        f'openssl pkeyutl -sign -inkey {tmp_path}/kms.key -rawin -in $d/m | base64 -w0; rm -r "$d"\n'
    )
    script.chmod(0o755)
    source = KeySource(tmp_path / "unused", str(script), tmp_path / "kms.pub")
    request = await landing(bench)
    await bench.gate.close()
    await bench.start(key=source)
    envelopes = await attest(bench, request)
    keys = {key.public.key_id: key.public}
    assert parse_envelope(envelopes[0], "bundle").signer(keys) == key.public
    assert not (tmp_path / "unused").exists()
    # A command that signs with another key than the one it claims is found at once.
    create_private_key(tmp_path / "other.key")
    await bench.gate.close()
    await bench.start(key=KeySource(tmp_path / "unused", str(script), tmp_path / "other.pub"))
    assert await refusal(bench, request) == "SIGNER_UNAVAILABLE"


def test_the_environments_key_is_left_behind(tmp_path: Path) -> None:
    key = create_private_key(tmp_path / "gate.key")
    program = (
        "import os, asyncio\n"
        "from pathlib import Path\n"
        "from gate_svc.signing.process import KeySource, Signer, leave_key_behind\n"
        "leave_key_behind(os.environ)\n"
        "async def main():\n"
        "    signer = Signer(KeySource.from_environ(os.environ, Path('nowhere')))\n"
        "    (envelope,) = await signer.sign([b'{}'])\n"
        "    print(envelope.to_json().decode())\n"
        "    await signer.close()\n"
        "asyncio.run(main())\n"
        "print('PRIVATE' in Path('/proc/self/environ').read_text())\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program],
        env={**os.environ, KEY_VARIABLE: (tmp_path / "gate.key").read_text()},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    envelope, leaked = done.stdout.splitlines()
    keys = {key.public.key_id: key.public}
    assert parse_envelope(envelope.encode(), "x").signer(keys) == key.public
    assert leaked == "False"
