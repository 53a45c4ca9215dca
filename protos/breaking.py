"""Checks that the contracts still serve clients of an earlier revision."""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from generate import PROTOS, ROOT, sources, write_image
from lint import BUF, CONFIG


def extract(revision: str, directory: Path) -> bool:
    """Writes the revision's contracts into a directory; False if it has none.

    Raises:
        SystemExit: if there is no such revision, as in a clone that is too shallow.
    """
    git = ["git", "-C", str(ROOT)]
    commit = subprocess.run(
        [*git, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"],
        stdout=subprocess.PIPE,
        text=True,
    ).stdout.strip()
    if not commit:
        sys.exit(f"there is no revision {revision!r} here; fetch it first")
    listed = subprocess.run([*git, "ls-tree", commit, "protos"], check=True, stdout=subprocess.PIPE).stdout
    if not listed:
        return False
    archive = subprocess.run([*git, "archive", commit, "protos"], check=True, stdout=subprocess.PIPE).stdout
    subprocess.run(["tar", "-xf", "-", "-C", str(directory)], input=archive, check=True)
    return bool(sources(directory / "protos"))


def main() -> None:
    """Exits with buf's status, after it has printed what breaks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", required=True, help="revision whose clients must go on working")
    revision = parser.parse_args().against
    with tempfile.TemporaryDirectory() as directory:
        old = Path(directory)
        if not extract(revision, old):
            print(f"skipped: revision {revision} has no contracts yet")
            return
        write_image(old / "protos", old / "old.binpb")
        write_image(PROTOS, old / "new.binpb")
        images = [str(old / "new.binpb"), "--against", str(old / "old.binpb")]
        sys.exit(subprocess.run([BUF, "breaking", *images, "--config", CONFIG]).returncode)


if __name__ == "__main__":
    main()
