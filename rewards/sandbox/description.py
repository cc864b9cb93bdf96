"""The sandbox service as an OpenAPI 3.1 document."""

from dataclasses import asdict
from typing import Any

from rewards.sandbox.base import Limits, Stop

BASE64 = {"type": "string", "contentEncoding": "base64"}
FILES = {"type": "object", "additionalProperties": BASE64}
REFUSALS = {
    400: "The request does not fit; the message names the field.",
    401: "Missing or wrong token.",
    403: "A web page, where no token is asked for.",
    413: "Over the largest body.",
    500: "The sandbox itself failed.",
    503: "The queue is full; Retry-After says when to come back.",
}


def describe(version: str, ceiling: Limits, *, max_steps: int) -> dict[str, Any]:
    """The document; ``ceiling`` are the highest limits that a step may ask for."""
    error = _object({"error": {"type": ["string", "object"]}}, "error")
    refused = {str(status): _answer(text, error) for status, text in REFUSALS.items()}
    barred = {status: refused[status] for status in ("401", "403")}
    run = {
        "summary": "Run one job, or a tested program beside its tester",
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _jobs(ceiling, max_steps=max_steps)}},
        },
        "responses": {"200": _answer("Outcomes.", _outcomes()), **refused},
    }
    anything = _answer("Done.", {"type": "object"})
    health = {"summary": "Load", "security": [], "responses": {"200": anything, "403": refused["403"]}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "t2rl sandbox serve", "version": version},
        "security": [{}, {"token": []}],
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "paths": {
            "/run": {"post": run},
            "/health": {"get": health},
            "/openapi.json": {"get": {"summary": "This document", "responses": {"200": anything, **barred}}},
        },
    }


def _jobs(ceiling: Limits, *, max_steps: int) -> dict[str, Any]:
    step = _object(
        {
            "argv": {"type": "array", "items": {"type": "string"}, "minItems": 1},
            "stdin": BASE64,
            "env": {
                "type": "object",
                "propertyNames": {"pattern": "^[^=]+$"},
                "additionalProperties": {"type": "string"},
            },
            "limits": _object(
                {
                    name: {"type": "number", "maximum": most}
                    | ({"minimum": 1} if isinstance(most, int) else {"exclusiveMinimum": 0})
                    for name, most in asdict(ceiling).items()
                },
                additionalProperties=False,
            ),
            "keeps_changes": {"type": "boolean"},
            "collect": {"type": "array", "items": {"type": "string"}},
        },
        "argv",
    )
    # In words, because a fuzzer tries the most that is allowed: minutes of work, which are granted.
    steps = {"type": "array", "minItems": 1, "items": step, "description": f"At most {max_steps}."}
    steps = {"type": "array", "minItems": 1, "maxItems": max_steps, "items": step}
    job = _object({"files": FILES, "steps": steps, "stop_at_failure": {"type": "boolean"}}, "files", "steps")
    return _object({"jobs": {"type": "array", "minItems": 1, "maxItems": 2, "items": job}}, "jobs")


def _outcomes() -> dict[str, Any]:
    outcome = _object(
        {
            "stop": {"enum": [stop.value for stop in Stop]},
            "exit_code": {"type": "integer"},
            "stdout": BASE64,
            "stderr": BASE64,
            **{name: {"type": "number"} for name in ("wall_s", "cpu_s", "peak_mib")},
            "files": FILES,
        },
        "stop",
        "exit_code",
        "stdout",
        "stderr",
        "files",
    )
    lists = {"type": "array", "items": {"type": "array", "items": outcome}}
    return _object({"outcomes": lists}, "outcomes")


def _object(properties: dict[str, Any], *required: str, **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required), **more}


def _answer(text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": schema}}}
