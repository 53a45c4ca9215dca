"""JSON Schemas of the documents, for editors and for other programs that write them."""

from typing import Any, Literal

from autopack.policy.plan import Plan
from autopack.policy.policy import Policy
from autopack.policy.validation import adapter

_DOCUMENTS = {"plan": Plan, "policy": Policy}


def json_schema(document: Literal["plan", "policy"]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of plans or of policies."""
    schema = adapter(_DOCUMENTS[document]).json_schema()
    for definition in schema.get("$defs", {}).values():
        if "kind" in definition.get("properties", {}):
            definition["required"] = sorted({*definition.get("required", ()), "kind"})
    if document == "policy":
        schema["required"] = ["version"]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": document, **schema}
