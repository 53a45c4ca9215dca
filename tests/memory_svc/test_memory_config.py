"""The environment sets what is documented, and a wrong value is named."""

from pathlib import Path

import pytest

from autopack.errors import InvalidInput
from memory_svc.config import Config
from memory_svc.domain.settings import MemorySettings


def test_the_defaults_are_the_documented_ones() -> None:
    config = Config.from_environ({})

    assert config.memory == MemorySettings(True, True, 4000, 3, 1200)
    assert config.url == "sqlite:////var/lib/autopack/memory/memory.db"
    assert (config.qdrant_url, config.embeddings_url) == ("", "")


def test_everything_can_be_set() -> None:
    config = Config.from_environ(
        {
            "AUTOPACK_DIRECTORY": "/data",
            "AUTOPACK_ADDRESS": "127.0.0.1:0",
            "AUTOPACK_DATABASE_URL": "postgresql+psycopg://db/memory",
            "AUTOPACK_ENABLE_SOT_MEMORY_INDEXING": "false",
            "AUTOPACK_SOT_RETRIEVAL_ENABLED": "0",
            "AUTOPACK_SOT_RETRIEVAL_MAX_CHARS": "100",
            "AUTOPACK_SOT_RETRIEVAL_TOP_K": "7",
            "AUTOPACK_SOT_CHUNK_MAX_CHARS": "600",
            "AUTOPACK_QDRANT_URL": "https://qdrant:6334",
            "AUTOPACK_QDRANT_API_KEY": "key",
            "AUTOPACK_EMBEDDINGS_URL": "http://embeddings/v1",
            "AUTOPACK_EMBEDDINGS_MODEL": "model",
            "AUTOPACK_EMBEDDINGS_API_KEY": "other",
        }
    )

    assert config == Config(
        directory=Path("/data"),
        address="127.0.0.1:0",
        database_url="postgresql+psycopg://db/memory",
        memory=MemorySettings(False, False, 100, 7, 600),
        qdrant_url="https://qdrant:6334",
        qdrant_api_key="key",
        embeddings_url="http://embeddings/v1",
        embeddings_model="model",
        embeddings_api_key="other",
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AUTOPACK_ENABLE_SOT_MEMORY_INDEXING", "maybe"),
        ("AUTOPACK_SOT_RETRIEVAL_ENABLED", ""),
        ("AUTOPACK_SOT_RETRIEVAL_TOP_K", "0"),
        ("AUTOPACK_SOT_RETRIEVAL_MAX_CHARS", "-5"),
        ("AUTOPACK_SOT_CHUNK_MAX_CHARS", "100"),
    ],
)
def test_a_wrong_value_is_named(name: str, value: str) -> None:
    with pytest.raises(InvalidInput, match=name) as refused:
        Config.from_environ({name: value})

    assert refused.value.reasons[0].code == "SETTING_INVALID"
