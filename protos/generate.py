"""Generates the Python code of the contracts, and an image of them for buf.

`python protos/generate.py` writes the code; `--image FILE` writes a descriptor set for
`buf lint` and `buf breaking`, which would otherwise need the network for validate.proto.
"""

import argparse
import sys
import tempfile
from importlib import resources
from pathlib import Path

from google.protobuf import descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2
from grpc_tools import protoc
from protovalidate._gen.buf.validate import validate_pb

ROOT = Path(__file__).resolve().parent
VALIDATE = "buf/validate/validate.proto"


def validate_descriptors() -> descriptor_pb2.FileDescriptorSet:
    """The descriptor of validate.proto that protovalidate's wheel embeds, with what it imports."""
    files = descriptor_pb2.FileDescriptorSet()
    for module in (descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2):
        module.DESCRIPTOR.CopyToProto(files.file.add())
    files.file.add().ParseFromString(validate_pb._DESC.proto.to_binary())
    return files


def run_protoc(arguments: list[str], sources: list[str]) -> None:
    """Runs protoc over the sources.

    Raises:
        SystemExit: with protoc's exit status, after it has printed what is wrong.
    """
    with tempfile.NamedTemporaryFile(suffix=".binpb") as descriptors:
        descriptors.write(validate_descriptors().SerializeToString())
        descriptors.flush()
        well_known = str(resources.files("grpc_tools") / "_proto")
        status = protoc.main(
            [
                "protoc",
                f"--descriptor_set_in={descriptors.name}",
                f"-I{ROOT}",
                f"-I{well_known}",
                *arguments,
                *sources,
            ]
        )
    if status:
        sys.exit(status)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT.parent, help="where the code goes")
    parser.add_argument("--image", type=Path, help="write a descriptor set there instead")
    options = parser.parse_args()
    sources = sorted(str(path.relative_to(ROOT)) for path in ROOT.rglob("*.proto"))
    if options.image:
        run_protoc(
            ["--include_imports", "--include_source_info", f"--descriptor_set_out={options.image}"], sources
        )
        return
    out = options.out
    run_protoc([f"--python_out={out}", f"--pyi_out={out}"], [*sources, VALIDATE])
    services = [source for source in sources if source.endswith("_service.proto")]
    run_protoc([f"--grpc_python_out={out}", f"--mypy_grpc_out={out}"], services)
    for package in {(out / source).parent for source in [*sources, VALIDATE]}:
        while package != out:
            (package / "__init__.py").touch()
            package = package.parent


if __name__ == "__main__":
    main()
