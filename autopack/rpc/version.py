"""The version of the contracts that both ends must share."""

import grpc

from autopack.errors import FailedPrecondition, Reason

API_VERSION = "v1"
API_VERSION_KEY = "autopack-api-version"


def check_version(metadata: grpc.aio.Metadata | None) -> None:
    """Refuses a caller that says it speaks another version; one that says nothing may pass.

    Raises:
        FailedPrecondition: `API_VERSION_MISMATCH`.
    """
    for key, value in metadata or ():
        if key == API_VERSION_KEY and value != API_VERSION:
            raise FailedPrecondition(
                Reason(
                    "API_VERSION_MISMATCH",
                    f"the client speaks {value!r}, this server {API_VERSION!r}",
                    "Upgrade the older of the two.",
                )
            )
