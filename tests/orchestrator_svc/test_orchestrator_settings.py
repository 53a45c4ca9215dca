"""The orchestrator's settings from the environment."""

import pytest

from autopack.errors import InvalidInput
from orchestrator_svc.config import Config


@pytest.mark.parametrize("address", ["", "0.0.0.0:50051", "[::]:50051"])
def test_an_address_that_nobody_can_dial_is_not_given_out_for_objects(address: str) -> None:
    environ = {"AUTOPACK_ADDRESS": address} if address else {}
    with pytest.raises(InvalidInput) as refused:
        Config.from_environ(environ)
    assert refused.value.reasons[0].code == "SETTING_INVALID"
    assert "AUTOPACK_GIT_ADDRESS" in refused.value.reasons[0].message


def test_the_address_for_objects_is_the_one_given() -> None:
    config = Config.from_environ({"AUTOPACK_GIT_ADDRESS": "orchestrator-0.orchestrator:50051"})
    assert config.git_address == "orchestrator-0.orchestrator:50051"


def test_one_that_can_be_dialled_needs_no_other() -> None:
    assert Config.from_environ({"AUTOPACK_ADDRESS": "127.0.0.1:0"}).git_address == ""
