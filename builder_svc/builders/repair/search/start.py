"""Starts the search from its directory alone: in the sandbox Autopack itself is not there to import."""

import importlib.util
import sys
from pathlib import Path

PACKAGE = "autopack_repair"


def main() -> None:
    directory = Path(__file__).parent
    specification = importlib.util.spec_from_file_location(
        PACKAGE, directory / "__init__.py", submodule_search_locations=[str(directory)]
    )
    assert specification is not None
    assert specification.loader is not None
    package = importlib.util.module_from_spec(specification)
    sys.modules[PACKAGE] = package
    specification.loader.exec_module(package)
    importlib.import_module(f"{PACKAGE}.searching").main(sys.argv[1:])


if __name__ == "__main__":
    main()
