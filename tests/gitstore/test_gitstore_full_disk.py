"""A full disk is named as such, whoever meets it, and leaves nothing half done."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import os
from pathlib import Path
from autopack.errors import AutopackError
from autopack.gitstore.checkouts import Checkouts
from autopack.gitstore.packs import make_pack, receive_pack
from autopack.gitstore.store import GitStore
from autopack.testing.repositories import make_commit

full, plenty = Path("{full}"), Path("{plenty}")
source = GitStore.open(plenty / "source.git")
many = make_commit(source, {{f"d{{n % 9}}/f{{n}}": os.urandom(9000) for n in range(900)}})
large = make_commit(source, {{"a": os.urandom(3_500_000)}})
store = GitStore.open(full / "store.git")
small = make_commit(store, {{"a": b"1"}})
first = bytes.fromhex(small)
for name, action in {{
    "a large pack": lambda: receive_pack(store, make_pack(source, [many], [])),
    "a small pack": lambda: receive_pack(store, make_pack(source, [large], [])),
    "a blob": lambda: store.write_blob(os.urandom(4_000_000)),
    "a checkout": lambda: Checkouts(full / "checkouts", 10**9).get(source, many),
    "a ref": lambda: [(full / "fill").write_bytes(b"x" * 4096 * n) for n in range(900)],
    "a new store": lambda: GitStore.open(full / "deep" / "other.git"),
}}.items():
    try:
        action()
        print(name, "done")
    except AutopackError as error:
        print(name, error.reasons[0].code)
    except OSError:
        print(name, "filled")
print("kept", store.read(small, "a"), store.has(many), store.has(large))
print("left", sorted(p.name for p in full.iterdir()), [p.name for p in store.path.glob("incoming-*")])
"""


def test_a_full_disk_is_reported_and_leaves_nothing_half_done(tmp_path: Path) -> None:
    if shutil.which("unshare") is None:
        pytest.skip("needs unshare to make a small disk")
    full, plenty = tmp_path / "full", tmp_path / "plenty"
    full.mkdir()
    plenty.mkdir()
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(full=full, plenty=plenty))
    mount = 'mount -t tmpfs -o size=3m none "$0" && exec "$1" "$2"'
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount]
    done = subprocess.run(
        [*command, str(full), sys.executable, str(script)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": "/usr/bin:/bin:/usr/sbin:/sbin"},
    )
    if done.returncode and "unshare" in done.stderr + done.stdout:
        pytest.skip("user namespaces are refused here")

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "a large pack DISK_FULL",
        "a small pack DISK_FULL",
        "a blob DISK_FULL",
        "a checkout DISK_FULL",
        "a ref filled",
        "a new store DISK_FULL",
        "kept b'1' False False",
        "left ['checkouts', 'deep', 'fill', 'store.git'] []",
    ]
