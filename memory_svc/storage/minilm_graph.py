"""Rewrites the packaged embedding model, whose int8 weights are widened to float32 when it is loaded and
multiplied so: on a few cores it takes half the time and memory the other way."""

from collections.abc import Mapping
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

VERSION = "int8-products"
"""Part of the model's name: what is rewritten in another way makes other vectors."""

_RUNTIME = "com.microsoft"
"""Domain of the runtime's own operators."""
# The fields of ONNX's messages that are touched here, with their numbers; protobuf keeps all others.
_FIELDS = {
    "Model": {"graph": (7, "Graph"), "opset_import": (8, "Opset*")},
    "Opset": {"domain": (1, ""), "version": (2, "int")},
    "Graph": {"node": (1, "Node*"), "initializer": (5, "Tensor*"), "output": (12, "Value*")},
    "Node": {"input": (1, "*"), "output": (2, "*"), "name": (3, ""), "op_type": (4, ""), "domain": (7, "")},
    "Tensor": {"dims": (1, "int*"), "name": (8, "")},
    "Value": {"name": (1, "")},
}


def rewrite(packaged: bytes) -> bytes:
    """The model for one text at a time: its weights are multiplied as int8, rows of a vocabulary are widened
    once a text has them, Gelu is one operator, and nothing is masked, since one text has no padding."""
    model = _model_class().FromString(packaged)
    graph = model.graph
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    maker = {name: node for node in graph.node for name in node.output}
    user = {name: node for node in graph.node for name in node.input}
    first: Any
    second: Any
    for node in list(graph.node):
        first, second = [*(maker.get(name) for name in node.input), None, None][:2]
        match node.op_type:
            case "MatMul" if _widens(second, maker):
                scale = tensors[second.input[1]]
                scale.dims[:] = scale.dims[-1:]  # one for each column
                node.input[1:] = [maker[second.input[0]].input[0], scale.name]
                node.op_type, node.domain = "DynamicQuantizeMatMul", _RUNTIME
            case "Gather" if _widens(first, maker):
                _widen_rows(graph.node.add(), node, first, maker[first.input[0]], maker)
            case "Erf":  # x * (0.5 * (erf(x / sqrt 2) + 1))
                last = user[user[user[node.output[0]].output[0]].output[0]]
                last.input[:] = first.input[:1]
                last.op_type, last.domain = "Gelu", _RUNTIME
            case "Add" if second is not None and second.op_type == "Where":  # minus infinity for padding
                node.op_type, node.input[:] = "Identity", node.input[:1]
            case "Where" if first is not None and first.op_type == "IsNaN":  # for rows of padding alone
                node.op_type, node.input[:] = "Identity", node.input[2:]
    used: dict[str, Any] = {}
    for output in graph.output:
        _use(output.name, maker, used)
    kept = [type(node).FromString(node.SerializeToString()) for node in used.values()]
    del graph.node[:]
    graph.node.extend(kept)
    model.opset_import.add(domain=_RUNTIME, version=1)
    result: bytes = model.SerializeToString()
    return result


def _widens(node: Any, maker: Mapping[str, Any]) -> bool:
    """Whether it makes float32 of a weight: a Mul of its Cast and its scale."""
    return node is not None and node.op_type == "Mul" and maker[node.input[0]].op_type == "Cast"


def _widen_rows(scales: Any, rows: Any, widened: Any, cast: Any, maker: dict[str, Any]) -> None:
    """Looks up first and widens then; `scales` is a new node."""
    scales.CopyFrom(rows)
    scales.input[0], scales.output[0] = widened.input[1], f"{widened.input[1]}_rows"
    scales.name = scales.output[0]
    widened.input[1], widened.output[0] = scales.output[0], rows.output[0]
    rows.input[0], rows.output[0] = cast.input[0], f"{cast.input[0]}_rows"
    cast.input[0] = rows.output[0]
    maker |= {node.output[0]: node for node in (scales, widened, rows)}


def _use(name: str, maker: Mapping[str, Any], used: dict[str, Any]) -> None:
    """Adds the node that makes the value, by its first output, after all that it needs."""
    node = maker.get(name)
    if node is not None and node.output[0] not in used:
        for needed in node.input:
            _use(needed, maker, used)
        used[node.output[0]] = node


def _model_class() -> Any:
    """The message class of a model, with the fields above."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="minilm_graph.proto", package="onnx", syntax="proto2")
    types = {"": field.TYPE_STRING, "int": field.TYPE_INT64}
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for field_name, (number, kind) in fields.items():
            made = message.field.add(name=field_name, number=number)
            made.label = field.LABEL_REPEATED if kind.endswith("*") else field.LABEL_OPTIONAL
            made.type = types.get(kind.rstrip("*"), field.TYPE_MESSAGE)
            if made.type == field.TYPE_MESSAGE:
                made.type_name = f".onnx.{kind.rstrip('*')}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("onnx.Model"))
