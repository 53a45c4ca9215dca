"""One question to a reviewing model, bounded in time and size; a reviewer gets no tools."""

import asyncio
from collections.abc import Mapping
from typing import Any

from autopack.chat.address import host_and_port, is_loopback
from autopack.chat.client import Chat, protocol
from autopack.chat.conversation import ChatError, Question, Said
from autopack.chat.network import Connections, NetworkLine
from autopack.errors import FailedPrecondition, InvalidInput, Reason, Unavailable
from autopack.policy.policy import Reviewer
from autopack.text import head, neutralise

SECONDS = 120.0


class Endpoint:
    """Asks a model once."""

    def __init__(self, grants: Mapping[str, tuple[str, frozenset[str]]]) -> None:
        """`grants`: of each secret its value and the HOST:PORTs that it may go to."""
        self._grants = grants

    async def ask(
        self, reviewer: Reviewer, system: str, user: str, schema: Mapping[str, Any]
    ) -> tuple[str, bool]:
        """The answer's text, and whether it was cut off.

        Raises Unavailable REVIEWER_UNAVAILABLE; FailedPrecondition SECRET_NOT_GRANTED; InvalidInput
        REVIEW_RESPONSE_INVALID, SECRET_IN_PLAIN_TEXT, ENDPOINT_INVALID.
        """
        host = host_and_port(reviewer.endpoint)
        key = self._secret(reviewer, host) if reviewer.secret else ""
        question = Question(system, (Said(user),), reviewer.tokens, schema=schema)
        connections = Connections()
        try:
            async with asyncio.timeout(SECONDS):
                spoken = await asyncio.to_thread(protocol, reviewer.api, reviewer.endpoint, key)
                reply = await Chat(spoken, reviewer.model, NetworkLine(connections, [])).ask(question)
        except TimeoutError as error:
            raise _unavailable(f"not within {SECONDS:g} s") from error
        except ChatError as error:
            if error.fault in ("invalid", "large"):
                raise _invalid(error.message) from error
            raise _unavailable(error.message) from error
        finally:
            await connections.close()
        return reply.text, reply.cut_off

    def _secret(self, reviewer: Reviewer, host: str) -> str:
        name = reviewer.secret
        value, hosts = self._grants.get(name, ("", frozenset()))
        if not reviewer.endpoint.startswith("https:") and not is_loopback(reviewer.endpoint):
            message = f"`{name}` would be sent to {host} unencrypted"
            raise InvalidInput(Reason("SECRET_IN_PLAIN_TEXT", message, "use https://"))
        if not value or host not in hosts:
            fix = f"if it may, set {name} where the auditor runs, and AUTOPACK_AUDITOR_SECRETS={name}@{host}"
            raise FailedPrecondition(Reason("SECRET_NOT_GRANTED", f"`{name}` may not be sent to {host}", fix))
        return value


def _unavailable(message: str) -> Unavailable:
    fix = "see that the endpoint in the policy's audit.reviewers is right and up"
    found = f"the reviewer does not answer: {head(neutralise(message, one_line=True), 400)}"
    return Unavailable(Reason("REVIEWER_UNAVAILABLE", found, fix))


def _invalid(message: str) -> InvalidInput:
    found = f"the reviewer's response cannot be used: {head(neutralise(message, one_line=True), 400)}"
    return InvalidInput(Reason("REVIEW_RESPONSE_INVALID", found, "choose another reviewer"))
