"""The service as an OpenAPI 3.1 document, made of what checks the requests."""

from typing import Any

from rl.serve.requests import IGNORED, ChatRequest, CompletionRequest

REF = "#/components/schemas/{model}"
STATUSES = {
    400: "The request does not fit; `param` names the field.",
    401: "Missing or wrong token.",
    403: "A web page, where no token is asked for.",
    404: "Another model.",
    413: "Over the largest body.",
    503: "The queue is full, or an engine is being restarted.",
    504: "No answer in time.",
}
"""Refusals with their meaning."""
ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}


def describe(version: str) -> dict[str, Any]:
    """The document; ``version`` is the service's."""
    schemas: dict[str, Any] = {"Error": ERROR}
    paths: dict[str, Any] = {
        "/v1/models": {"get": _operation("Models", {})},
        "/v1/models/{name}": {"get": _operation("A model", {404: STATUSES[404]}, _NAME)},
        "/health": {"get": _operation("Load", {}, security=[])},
        "/openapi.json": {"get": _operation("This document", {})},
    }
    for path, kind in (("/v1/completions", CompletionRequest), ("/v1/chat/completions", ChatRequest)):
        schema = kind.model_json_schema(ref_template=REF)
        schemas |= schema.pop("$defs", {})
        schema["properties"] |= {name: {} for name in IGNORED}
        schemas[kind.__name__] = schema
        paths[path] = {"post": _operation(kind.__name__, STATUSES, body=kind.__name__)}
    return {
        "openapi": "3.1.0",
        "info": {"title": "t2rl serve", "version": version},
        "security": [{}, {"token": []}],
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "paths": paths,
    }


_NAME = {"parameters": [{"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}]}


def _operation(
    summary: str,
    statuses: dict[int, str],
    more: dict[str, Any] | None = None,
    *,
    body: str | None = None,
    **fields: Any,
) -> dict[str, Any]:
    """``statuses`` come beside 200, 401 and 403."""
    refusals = {401: STATUSES[401], 403: STATUSES[403]} | statuses
    error = {"application/json": {"schema": {"$ref": REF.format(model="Error")}}}
    done: dict[str, Any] = {"application/json": {"schema": {"type": "object"}}}
    if body is not None:
        done["text/event-stream"] = {"schema": {"type": "string"}}
        content = {"application/json": {"schema": {"$ref": REF.format(model=body)}}}
        fields["requestBody"] = {"required": True, "content": content}
    return {
        "summary": summary,
        **(more or {}),
        **fields,
        "responses": {
            "200": {"description": "Done.", "content": done},
            **{str(status): {"description": text, "content": error} for status, text in refusals.items()},
        },
    }
