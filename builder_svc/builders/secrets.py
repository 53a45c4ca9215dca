"""Which secrets of this service a policy's builders may use, and where they may be sent."""

from collections.abc import Callable, Mapping

from autopack.chat.address import host_and_port, is_loopback
from autopack.errors import FailedPrecondition, InvalidInput, Reason

RESERVED_PREFIXES = ("AUTOPACK_", "OTEL_", "PG", "DATABASE_")
"""Names of this service's own settings: no policy may have them sent anywhere."""
SHORTEST = 4
"""Characters: what is shorter is no secret, and would be redacted everywhere."""


class Secrets:
    """Values by name, from the environment of this service."""

    def __init__(
        self, value: Callable[[str], str | None], grants: Mapping[str, frozenset[str]] | None = None
    ) -> None:
        """`grants` has the hosts that each secret may go to; None lets every policy use every secret."""
        self._value = value
        self._grants = grants

    def reveal(self, name: str, url: str) -> str:
        """The value of a secret that is to be sent to a URL.

        Raises FailedPrecondition SECRET_NOT_GRANTED, SECRET_MISSING; InvalidInput SECRET_IN_PLAIN_TEXT.
        """
        host = host_and_port(url)
        if not url.startswith("https:") and not is_loopback(url):
            message = f"`{name}` would be sent to {host} unencrypted"
            raise InvalidInput(Reason("SECRET_IN_PLAIN_TEXT", message, "give the endpoint as https://"))
        if name.startswith(RESERVED_PREFIXES):
            fix = "keep the secret in a variable with a name of its own"
            raise FailedPrecondition(
                Reason("SECRET_NOT_GRANTED", f"`{name}` is a setting of the service itself", fix)
            )
        if self._grants is not None and host not in self._grants.get(name, frozenset()):
            fix = f"if it may, add {name}@{host} to AUTOPACK_BUILDER_SECRETS where the builder service runs"
            raise FailedPrecondition(Reason("SECRET_NOT_GRANTED", f"`{name}` may not be sent to {host}", fix))
        value = self._value(name)
        if not value or len(value) < SHORTEST:
            message = (
                f"the environment variable `{name}` is not set (or too short) where the builder service runs"
            )
            raise FailedPrecondition(Reason("SECRET_MISSING", message, f"start it with {name} set"))
        return value


def parse_grants(text: str) -> Mapping[str, frozenset[str]]:
    """Grants written as `NAME@HOST:PORT`, separated by commas or blanks.

    Raises InvalidInput SETTING_INVALID.
    """
    grants: dict[str, frozenset[str]] = {}
    for grant in text.replace(",", " ").split():
        name, at, host = grant.partition("@")
        if not (name and at and host):
            fix = "write NAME@HOST:PORT, such as OPENAI_API_KEY@api.openai.com:443"
            raise InvalidInput(Reason("SETTING_INVALID", f"AUTOPACK_BUILDER_SECRETS has {grant!r}", fix))
        grants[name] = grants.get(name, frozenset()) | {host if ":" in host else f"{host}:443"}
    return grants
