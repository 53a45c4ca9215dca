"""Signs standard input with an Ed25519 key in a PKCS#11 token: `AUTOPACK_SIGNING_COMMAND` for an HSM.

python sign_with_pkcs11.py MODULE TOKEN LABEL PIN_FILE, by a Python with the package python-pkcs11.
"""

import importlib
import sys
from pathlib import Path


def main(module: str, token: str, label: str, pin_file: str) -> None:
    """Prints 64 bytes."""
    # Imported late and by name: it is no dependency of Autopack's.
    pkcs11 = importlib.import_module("pkcs11")
    found = pkcs11.lib(module).get_token(token_label=token)
    with found.open(user_pin=Path(pin_file).read_text().strip()) as session:
        key = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=label)
        sys.stdout.buffer.write(key.sign(sys.stdin.buffer.read(), mechanism=pkcs11.Mechanism.EDDSA))


if __name__ == "__main__":
    main(*sys.argv[1:])
