"""What is put beside a test runner, inside the sandbox, to write its results down test by test.

The modules below are mounted into the sandbox and run under the project's own Python: standard
library only, Python 3.8 or newer, and no import from Autopack.
"""

from pathlib import Path

DIRECTORIES = {kind: Path(__file__).parent / kind for kind in ("pytest", "unittest")}
"""Directory to put on PYTHONPATH, by what the check reports."""

BLIND = Path(__file__).parent / "blind"
"""Directory of what both need for tests without expectations."""

PROBE = Path(__file__).parent / "probe"
"""Directory of what is put beside them where a change is probed beyond its tests."""
