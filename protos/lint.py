"""Checks the contracts' style: buf's standard rules, a comment on everything, and the layout."""

import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from generate import PROTOS, write_image

BUF = Path(sysconfig.get_path("scripts")) / "buf"
CONFIG = PROTOS / "buf.yaml"


def main() -> None:
    """Exits 1 after buf has printed what is wrong."""
    with tempfile.TemporaryDirectory() as directory:
        image = Path(directory) / "image.binpb"
        write_image(PROTOS, image)
        lint = subprocess.run([BUF, "lint", image, "--config", CONFIG])
    layout = subprocess.run([BUF, "format", "--diff", "--exit-code", PROTOS])
    if lint.returncode or layout.returncode:
        sys.exit(1)


if __name__ == "__main__":
    main()
