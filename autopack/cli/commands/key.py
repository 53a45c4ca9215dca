"""`autopack key`: shows the gate's public key, hands it over to a new one, or revokes it."""

import os
import time
from pathlib import Path

from autopack.cli import outcome
from autopack.errors import InvalidInput, Reason
from autopack.host.places import places_of
from autopack.signing.keys import PublicKey, create_private_key, read_private_key

ACTIONS = ("show", "rotate", "revoke")


def key(action: str, repositories: list[Path], attested: str | None, as_json: bool) -> int:
    """Does it; a repository learns of a succession only where it is named."""
    if action not in ACTIONS:
        raise InvalidInput(
            Reason("ACTION_UNKNOWN", f"{action!r} is none of {', '.join(ACTIONS)}", "choose one")
        )
    path = _path()
    current = create_private_key(path)
    if action == "show":
        return _show(path, current.public, [], as_json)
    if not repositories:
        fix = "name every repository whose attestations it signed: --repo DIR, repeated"
        raise InvalidInput(Reason("REPOSITORY_MISSING", "a succession is written into repositories", fix))
    from autopack.attestation.repository import open_clone
    from autopack.attestation.succession import retire

    stores = [open_clone(directory).store for directory in repositories]
    following = create_private_key(path.with_name("next.key")) if action == "rotate" else None
    now = int(time.time())
    heads = [retire(store, current, following, attested, now) for store in stores]
    kept = path.with_name(f"gate-{current.public.key_id[:16]}.key")
    for suffix in (".key", ".pub"):
        path.with_suffix(suffix).rename(kept.with_suffix(suffix))
        if following is not None:
            path.with_name("next.key").with_suffix(suffix).rename(path.with_suffix(suffix))
    fresh = read_private_key(path) if following else create_private_key(path)
    return _show(path, fresh.public, heads, as_json)


def _path() -> Path:
    places = places_of(os.environ)
    places.prepare()
    return Path(os.environ.get("AUTOPACK_SIGNING_KEY") or places.key)


def _show(path: Path, public: PublicKey, heads: list[str], as_json: bool) -> int:
    file = path.with_suffix(".pub")
    if as_json:
        found = {"key_id": public.key_id, "public_key": str(file), "base64": public.line, "heads": heads}
        outcome.print_json("key", found)
        return outcome.DONE
    print(f"key id      {public.key_id}\npublic key  {file}\nbase64      {public.line}")
    if heads:
        print("now push the branch to every remote: git push origin autopack-attestations")
    return outcome.DONE
