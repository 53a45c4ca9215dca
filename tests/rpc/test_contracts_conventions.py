"""The contracts keep their conventions; the comments are part of them and are read from an image."""

import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor, FileDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from autopack.rpc.transport import STREAMING_METHODS
from buf.validate import validate_pb2

ROOT = Path(__file__).parent.parent.parent
MUTATING = ("Start", "Submit", "Approve", "Reject", "Cancel", "Resume", "Record", "Tidy", "Import", "Put")
# What is attested was decided and stored before.
READING = ("Attest", "Plan", "Get", "List", "Watch", "Wait", "Diff", "Recall")
STATUS_CODES = {code.name for code in grpc.StatusCode}


@cache
def files() -> list[FileDescriptor]:
    """Every file of the contracts, as generated."""
    paths = sorted((ROOT / "autopack" / "api").rglob("*_pb2.py"))
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths]
    return [importlib.import_module(name).DESCRIPTOR for name in names]


def services() -> list[ServiceDescriptor]:
    return [service for file in files() for service in file.services_by_name.values()]


def methods() -> Iterator[Any]:
    for service in services():
        yield from service.methods


def named(*verbs: str) -> list[Any]:
    """The methods whose name starts with one of the verbs, as parameters."""
    return [
        pytest.param(method, id=method.full_name.removeprefix("autopack.api."))
        for method in methods()
        if method.name.startswith(verbs)
    ]


METHODS = named("")


@pytest.fixture(scope="session")
def comments(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The comment of every method, by its full name."""
    image = tmp_path_factory.mktemp("contracts") / "image.binpb"
    program = (
        "import sys, pathlib, generate; generate.write_image(generate.PROTOS, pathlib.Path(sys.argv[1]))"
    )
    subprocess.run([sys.executable, "-c", program, str(image)], cwd=ROOT / "protos", check=True)
    found = {}
    for file in FileDescriptorSet.FromString(image.read_bytes()).file:
        for location in file.source_code_info.location:
            match list(location.path):
                case [6, service, 2, method]:  # the numbers of these fields in descriptor.proto
                    owner = file.service[service]
                    name = f"{file.package}.{owner.name}.{owner.method[method].name}"
                    found[name] = location.leading_comments
    return found


@pytest.mark.parametrize("method", METHODS)
def test_the_comment_says_which_codes_a_call_can_return(method: Any, comments: dict[str, str]) -> None:
    stated = re.findall(
        r"^ ([A-Z_]+)(?: `[A-Z_]+`(?:, `[A-Z_]+`)*)?:? ?", comments[method.full_name], re.MULTILINE
    )
    codes = [code for code in stated if code in STATUS_CODES]
    assert codes, "no line starts with a status code"
    assert "UNAVAILABLE" in codes, "every call can find the service down"


@pytest.mark.parametrize("method", METHODS)
def test_every_method_either_changes_something_or_reads(method: Any) -> None:
    assert method.name.startswith((*MUTATING, *READING)), "put its verb in MUTATING or READING"


@pytest.mark.parametrize("method", named(*MUTATING))
def test_a_call_that_changes_something_has_a_request_id(method: Any) -> None:
    request = method.input_type
    if method.client_streaming:
        (request,) = (field.message_type for field in request.fields if field.message_type)
    assert "request_id" in request.fields_by_name


@pytest.mark.parametrize("method", named("List"))
def test_a_list_has_pages(method: Any) -> None:
    assert {"page_size", "page_token"} <= set(method.input_type.fields_by_name)
    assert "next_page_token" in method.output_type.fields_by_name


def string_fields(message: Any, seen: set[str]) -> Iterator[FieldDescriptor]:
    """String fields of a message and of all messages in it."""
    if message.full_name in seen:
        return
    seen.add(message.full_name)
    for field in message.fields:
        if field.type == FieldDescriptor.TYPE_STRING:
            yield field
        elif field.message_type is not None:
            yield from string_fields(field.message_type, seen)


def has_text_rule(field: FieldDescriptor) -> bool:
    rules: Any = field.GetOptions().Extensions[validate_pb2.field]  # type: ignore[index]  # stubs know no own options
    return bool((rules.repeated.items if field.is_repeated else rules).HasField("string"))


@pytest.mark.parametrize("method", METHODS)
def test_every_text_in_a_request_has_a_rule(method: Any) -> None:
    fields = string_fields(method.input_type, set())
    assert [field.full_name for field in fields if not has_text_rule(field)] == []


def test_the_streams_that_are_never_retried_are_those_of_the_contracts() -> None:
    streaming = {
        (method.containing_service.full_name, method.name)
        for method in methods()
        if method.client_streaming or method.server_streaming
    }
    assert set(STREAMING_METHODS) == streaming


def run(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=cwd, capture_output=True, text=True)


def test_the_generated_code_is_fresh() -> None:
    checked = run("protos/generate.py", "--check")
    assert checked.returncode == 0, checked.stderr


def test_the_contracts_are_clean() -> None:
    linted = run("protos/lint.py")
    assert linted.returncode == 0, linted.stdout + linted.stderr
