"""JSON that fits a schema."""

import json
from collections.abc import Mapping
from typing import Any

from jsonschema import SchemaError
from jsonschema.validators import validator_for
from referencing import Registry

from rewards.code.fences import blocks_of
from rewards.components.final_text import final_text
from rewards.verdicts import right, wrong
from rollout.types import Prompt, RewardResult

KEY = "schema"
"""Where a prompt's metadata hold its own schema."""


class JsonSchemaReward:
    """1 if the answer is JSON that fits the schema; the answer is the final text, or the last fenced block in
    it that is JSON's or nobody's.

    Components: ``json`` (it parses) and ``schema`` (it fits). NaN and infinities are no JSON.

    Args:
        schema: A JSON schema, draft 2020-12 unless its ``$schema`` says otherwise; None reads
            ``metadata.schema`` of each prompt. References to other documents are not followed.

    Raises:
        ValueError: The schema is none.
    """

    def __init__(self, *, schema: Mapping[str, Any] | bool | None = None) -> None:
        self._schema = schema
        if schema is not None:
            _validator(schema, "schema")

    def check(self, prompt: Prompt) -> None:
        """Raise ``ValueError`` if the prompt has no schema, or a broken one."""
        self._schema_of(prompt)

    def _schema_of(self, prompt: Prompt) -> Any:
        if self._schema is not None:
            return _validator(self._schema, "schema")
        if prompt.metadata.get(KEY) is None:
            raise ValueError(
                f"prompt {prompt.id}: json_schema finds no metadata.{KEY}; add it, or set reward_args.schema"
            )
        return _validator(prompt.metadata[KEY], f"prompt {prompt.id}: metadata.{KEY}")

    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> RewardResult:
        """Judge one completion text."""
        validator = self._schema_of(prompt)
        if not text.strip():
            return wrong("empty")
        answer = final_text(prompt, text)
        blocks = [block.code for block in blocks_of(answer) if block.tag in ("", "json")]
        try:
            value = json.loads(blocks[-1] if blocks else answer, parse_constant=_no_constant)
            if not validator.is_valid(value):
                return wrong("schema", components={"json": 1.0, "schema": 0.0})
        except (ValueError, RecursionError):
            return wrong("truncated" if truncated else "no JSON", components={"json": 0.0, "schema": 0.0})
        return right({"json": 1.0, "schema": 1.0})


def _validator(schema: Any, where: str) -> Any:
    if not isinstance(schema, Mapping | bool):
        raise ValueError(f"{where}: a JSON schema is an object, true or false, not {type(schema).__name__}")
    try:
        kind = validator_for(schema)
        kind.check_schema(schema)
    except SchemaError as error:
        raise ValueError(f"{where}: no JSON schema: {error.message}; see json-schema.org") from error
    return kind(schema, registry=Registry())


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def example() -> tuple[Prompt, str]:
    """A prompt and a text that scores 1."""
    schema = {
        "type": "object",
        "required": ["sum"],
        "properties": {"sum": {"type": "integer"}},
        "additionalProperties": False,
    }
    prompt = Prompt(id="example", text="2 + 2 as JSON", token_ids=(), answer="4", metadata={KEY: schema})
    return prompt, 'Here it is:\n```json\n{"sum": 4}\n```'
