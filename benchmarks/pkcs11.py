"""Has the gate's signer sign by a key that never leaves a PKCS#11 token, and OpenSSL check what it signed.

python benchmarks/pkcs11.py MODULE TOKEN LABEL PIN_FILE PUBLIC_KEY_PEM [PYTHON]

PYTHON has the package python-pkcs11 (default: this one). SoftHSM makes a token without hardware:

softhsm2-util --init-token --free --label gate --pin 1234 --so-pin 12345678
pkcs11-tool --module MODULE --login --pin 1234 --keypairgen --key-type EC:edwards25519 --label gate
pkcs11-tool --module MODULE --login --pin 1234 --read-object --type pubkey --label gate -o PUBLIC_KEY_PEM
"""

import asyncio
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from autopack.signing.dsse import Envelope, pae
from autopack.signing.keys import public_key
from gate_svc.signing.process import KeySource, Signer

HOOK = Path(__file__).resolve().parents[1] / "deploy" / "signing" / "sign_with_pkcs11.py"
ROUNDS = 10


def main(module: str, token: str, label: str, pin: str, public: str, python: str = sys.executable) -> None:
    """Prints what OpenSSL says of the last signature, and how long one takes."""
    # The signer passes on no environment but HOME, so SoftHSM's own variable is part of the command.
    configuration = os.environ.get("SOFTHSM2_CONF")
    variables = [f"SOFTHSM2_CONF={configuration}"] if configuration else []
    command = shlex.join(["env", *variables, python, str(HOOK), module, token, label, pin])
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        source = KeySource(place / "none.key", command, Path(public))
        envelope, seconds = asyncio.run(signed(source))
        key = public_key(Path(public).read_text(), public)
        assert envelope.signer({key.key_id: key}) == key, "our own check"
        (place / "message").write_bytes(pae(envelope.payload_type, envelope.payload))
        (place / "signature").write_bytes(envelope.signatures[0].signature)
        check = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", public, "-rawin"]
        check += ["-in", str(place / "message"), "-sigfile", str(place / "signature")]
        print(subprocess.run(check, check=True, capture_output=True, text=True).stdout.strip())
        assert not (place / "none.key").exists(), "a key of its own was made"
    print(f"{statistics.median(seconds) * 1e3:.0f} ms a signature, the hook's start included")


async def signed(source: KeySource) -> tuple[Envelope, list[float]]:
    """The last of some statements, and how long each took."""
    signer = Signer(source)
    seconds = []
    for number in range(ROUNDS):
        started = time.perf_counter()
        (envelope,) = await signer.sign([b'{"statement": %d}' % number + b" " * 4000])
        seconds.append(time.perf_counter() - started)
    await signer.close()
    return envelope, seconds


if __name__ == "__main__":
    main(*sys.argv[1:])
