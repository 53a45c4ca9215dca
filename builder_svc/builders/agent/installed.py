"""The coding agents of this machine: their adapters, and where their programs are."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from autopack.errors import AutopackError, FailedPrecondition, Reason
from autopack.policy.validation import listed, nearest
from builder_svc.builders.agent.adapter import Adapter, invalid_adapter, load_adapter

BUILT_IN = Path(__file__).parent / "adapters"
_SYSTEM = ("/usr/local/bin", "/usr/bin", "/bin")


@dataclass(frozen=True, slots=True)
class Installed:
    """What whoever runs the builder service has set up for agents."""

    directories: tuple[Path, ...] = ()
    """Shown to every agent, read-only, where they are: programs and what those need, outside of /usr."""
    adapters: Path | None = None
    """A directory of NAME.yaml, which come before those that Autopack brings."""

    def adapter(self, name: str) -> Adapter:
        """Raises FailedPrecondition UNKNOWN_ADAPTER, AGENT_NOT_INSTALLED, ADAPTER_INVALID."""
        places = [place for place in (BUILT_IN, self.adapters) if place is not None]
        found = {path.stem: path for place in places for path in sorted(place.glob("*.yaml"))}
        if name not in found:
            fix = f"did you mean `{nearest(name, found)}`? There are {listed(found)}"
            raise FailedPrecondition(
                Reason(
                    "UNKNOWN_ADAPTER", f"there is no adapter `{name}`", f"{fix}; AUTOPACK_AGENT_ADAPTERS adds"
                )
            )
        try:
            adapter = load_adapter(found[name].read_text(encoding="utf-8"), found[name].name)
        except AutopackError as error:
            reasons = (replace(reason, code="ADAPTER_INVALID") for reason in error.reasons)
            raise FailedPrecondition(*reasons) from error
        except (OSError, UnicodeDecodeError) as error:
            raise FailedPrecondition(
                invalid_adapter(f"it cannot be read: {error}", found[name].name)
            ) from error
        search = os.pathsep.join([*self.path(), *_SYSTEM])
        missing = [program for program in adapter.programs if shutil.which(program, path=search) is None]
        if missing:
            fix = f"install it where the builder service runs ({adapter.install or 'see its own pages'}) and "
            fix += "name the directory that it is in, if outside of /usr, in AUTOPACK_AGENT_DIRECTORIES"
            message = f"the adapter `{name}` needs {listed(missing)}, which this machine does not have"
            raise FailedPrecondition(Reason("AGENT_NOT_INSTALLED", message, fix))
        return adapter

    def path(self) -> list[str]:
        """Where programs are in the directories: at the top, or where Python and npm put them."""
        return list(self._path())

    def _path(self) -> Iterator[str]:
        for directory in self.directories:
            for place in (directory, directory / "bin", directory / "node_modules" / ".bin"):
                if place.is_dir():
                    yield str(place)
