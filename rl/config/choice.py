"""Settings that are a choice: a name and what only that choice reads.

In YAML and on the command line ``schedule: wsd`` is ``schedule: {name: wsd}``, the choice with its defaults;
``schedule: {name: wsd, decay_share: 0.2}`` sets what it reads. What other choices read is an error there.

Example::

    Schedule = Annotated[ConstantSchedule | WsdSchedule | OwnCode, ONE_OF]
"""

import re
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import Field, GetCoreSchemaHandler, SerializerFunctionWrapHandler, model_serializer
from pydantic_core import CoreSchema, core_schema

from rl.config.base import Section
from rl.config.errors import listed, suggest

OWN_CODE = re.compile(r"[^\s:][^:]*:\w+")
"""``pkg.module:attr`` or ``path/to/file.py:attr``. Whether it exists is known when the run is prepared."""
OWN_CODE_FORM = "pkg.module:attr"


class Choice(Section):
    """One choice of a setting; its fields are what it reads. It is written as its name where it reads
    nothing."""

    name: str
    """Says which choice this is."""

    @model_serializer(mode="wrap")
    def _short_where_it_can_be(self, handler: SerializerFunctionWrapHandler) -> Any:
        fields = handler(self)
        return self.name if set(fields) == {"name"} else fields


class OwnCode(Choice):
    """Code of your own."""

    name: str = Field(pattern=f"^{OWN_CODE.pattern}$")
    """``pkg.module:attr`` or ``path/to/file.py:attr``."""
    args: dict[str, Any] = Field(default_factory=dict, exclude_if=lambda args: not args)
    """Settings of its own; it finds them in the config that it is given."""


def args_of(part: Choice) -> dict[str, Any]:
    """The ``args`` that a config gives to code of one's own; none to what ships."""
    return part.args if isinstance(part, OwnCode) else {}


class OneOf:
    """Marks a union of :class:`Choice` as one that is told apart by ``name``."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """The union, tagged by the names of its members; a plain string becomes a mapping before."""
        kinds: tuple[type[Choice], ...] = get_args(source)
        tags = {name: kind.__name__ for kind in kinds for name in names_of(kind)}
        own = next((kind.__name__ for kind in kinds if issubclass(kind, OwnCode)), None)

        def with_known_name(value: Any) -> Any:
            return value if isinstance(value, Choice) else _named(value, tags, own=own is not None)

        def tag_of(value: Any) -> str | None:
            if isinstance(value, Choice):
                return type(value).__name__
            return tags.get(value["name"], own)

        union = core_schema.tagged_union_schema(
            {kind.__name__: handler.generate_schema(kind) for kind in kinds}, discriminator=tag_of
        )
        return core_schema.no_info_before_validator_function(with_known_name, union)


ONE_OF = OneOf()


def _named(value: Any, names: Mapping[str, str], *, own: bool) -> Mapping[str, Any]:
    """The mapping that a value stands for.

    Raises:
        ValueError: It names no choice.
    """
    if not isinstance(value, Mapping):
        value = {"name": value}
    choices = [*names, *([OWN_CODE_FORM] if own else [])]
    name = value.get("name")
    if "name" not in value:
        raise ValueError(f"which one? Give the settings a name: {listed(choices)}")
    if isinstance(name, str) and (name in names or (own and OWN_CODE.fullmatch(name))):
        return value
    hint = suggest(name, names) if isinstance(name, str) else ""
    raise ValueError(f"{name!r} is none of {listed(choices)}.{hint}")


def names_of(kind: type[Choice]) -> tuple[str, ...]:
    """The names that stand for a kind; none for code of one's own."""
    return () if issubclass(kind, OwnCode) else get_args(kind.model_fields["name"].annotation)
