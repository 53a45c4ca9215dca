"""What mutants are drawn by: nobody can know it who has not the gate's key."""

import hashlib
from pathlib import Path

from gate_svc.signing.process import KeySource, Signer


async def test_the_secret_is_the_keys_own_and_no_signature_that_is_given_away_tells_it(
    tmp_path: Path,
) -> None:
    signers = [Signer(KeySource(tmp_path / name)) for name in ("one.key", "one.key", "two.key")]
    try:
        secrets = [await signer.secret() for signer in signers]
        (envelope,) = await signers[0].sign([b"{}"])
    finally:
        for signer in signers:
            await signer.close()
    assert secrets[0] == secrets[1] != secrets[2]
    assert len(secrets[0]) == 32
    assert secrets[0] != hashlib.sha256(envelope.signatures[0].signature).digest()
