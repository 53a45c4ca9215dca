"""The port that requests to a model go out by: the network, or the record of an earlier conversation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What came back."""

    status: int
    text: str
    retry_after: str = ""


class Line(Protocol):
    """Carries one request at a time."""

    async def post(self, url: str, headers: Mapping[str, str], body: dict[str, Any]) -> HttpAnswer:
        """The answer, whatever its status.

        Raises ChatError: outage, large.
        """
        ...
