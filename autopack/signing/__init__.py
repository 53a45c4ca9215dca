"""Ed25519 keys, DSSE envelopes and in-toto statements: pure functions over bytes."""
