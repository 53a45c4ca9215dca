"""Generates the Python code of the contracts, or with --check says whether it is fresh."""

import argparse
import filecmp
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from google.protobuf import descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2
from grpc_tools import protoc
from protovalidate._gen.buf.validate import validate_pb

PROTOS = Path(__file__).resolve().parent
ROOT = PROTOS.parent
GENERATED = ("autopack/api", "buf")
VALIDATE = "buf/validate/validate.proto"


def sources(protos: Path) -> list[str]:
    """The contracts below a directory, as protoc names them."""
    return sorted(str(path.relative_to(protos)) for path in protos.rglob("*.proto"))


def validate_descriptors() -> descriptor_pb2.FileDescriptorSet:
    """The descriptor of validate.proto, with what it imports.

    It is embedded in protovalidate's wheel, which has no validate.proto that could be compiled.
    """
    files = descriptor_pb2.FileDescriptorSet()
    for module in (descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2):
        module.DESCRIPTOR.CopyToProto(files.file.add())
    files.file.add().ParseFromString(validate_pb._DESC.proto.to_binary())
    return files


def run_protoc(protos: Path, arguments: Sequence[str], files: Sequence[str]) -> None:
    """Runs protoc over files below a directory.

    Raises:
        SystemExit: with protoc's exit status, after it has printed what is wrong.
    """
    plugin = Path(sysconfig.get_path("scripts")) / "protoc-gen-mypy_grpc"
    with tempfile.NamedTemporaryFile(suffix=".binpb") as descriptors:
        descriptors.write(validate_descriptors().SerializeToString())
        descriptors.flush()
        status = protoc.main(
            [
                "protoc",
                f"--plugin=protoc-gen-mypy_grpc={plugin}",
                f"--descriptor_set_in={descriptors.name}",
                f"-I{protos}",
                f"-I{resources.files('grpc_tools') / '_proto'}",
                *arguments,
                *files,
            ]
        )
    if status:
        sys.exit(status)


def write_image(protos: Path, image: Path) -> None:
    """Writes all contracts with their comments into one descriptor set, which is what buf reads."""
    arguments = ["--include_imports", "--include_source_info", f"--descriptor_set_out={image}"]
    run_protoc(protos, arguments, sources(protos))


def write_code(out: Path) -> None:
    """Writes the Python packages of all contracts into a directory."""
    files = [*sources(PROTOS), VALIDATE]
    run_protoc(PROTOS, [f"--python_out={out}", f"--pyi_out={out}"], files)
    services = [file for file in files if file.endswith("_service.proto")]
    run_protoc(PROTOS, [f"--grpc_python_out={out}", f"--mypy_grpc_out={out}"], services)
    for package in {(out / file).parent for file in files}:
        while package != out:
            (package / "__init__.py").touch()
            package = package.parent


def stale_files() -> list[str]:
    """Generated files that are missing, differ, or come from no contract any more."""
    with tempfile.TemporaryDirectory() as directory:
        fresh = Path(directory)
        write_code(fresh)
        wanted = {str(path.relative_to(fresh)) for path in fresh.rglob("*.py*")}
        present = {
            str(path.relative_to(ROOT))
            for package in GENERATED
            for path in (ROOT / package).rglob("*.py*")
            if path.suffix != ".pyc"
        }
        # autopack itself is written by hand; only what is below it is generated.
        wanted = {name for name in wanted if name.startswith(tuple(f"{package}/" for package in GENERATED))}
        same, _, _ = filecmp.cmpfiles(fresh, ROOT, wanted & present, shallow=False)
    return sorted((wanted | present) - set(same))


def main() -> None:
    """Generates, or checks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if code is not fresh")
    if not parser.parse_args().check:
        write_code(ROOT)
        return
    stale = stale_files()
    if stale:
        sys.exit("not as generated: " + ", ".join(stale) + "\nrun: python protos/generate.py")


if __name__ == "__main__":
    main()
