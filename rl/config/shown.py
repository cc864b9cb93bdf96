"""A config as it is printed: what it uses, without what is off, unread, or a limit at its default."""

from typing import Any

from pydantic import BaseModel

from rl.config.base import Section


def shown(config: BaseModel) -> dict[str, Any]:
    """The tree to print; loading it gives an equal config.

    Left out where they are at their defaults: None and empty collections, limits (``Section.LIMITS``), and
    what nothing reads (``Section.unread``).
    """
    plain = config.model_dump(mode="json")
    tree: dict[str, Any] = {}
    for name, info in type(config).model_fields.items():
        value = getattr(config, name)
        default = not info.is_required() and value == info.get_default(call_default_factory=True)
        if default and (name in _quiet(config) or value is None or value in ((), {})):
            continue
        nested = isinstance(value, BaseModel) and not isinstance(plain[name], str)
        tree[name] = shown(value) if nested else plain[name]
    return tree


def _quiet(section: BaseModel) -> frozenset[str]:
    return section.LIMITS | section.unread if isinstance(section, Section) else frozenset()


def fields_of(tree: dict[str, Any]) -> int:
    """Number of settings in a printed tree; a list is one."""
    return sum(fields_of(value) if isinstance(value, dict) and value else 1 for value in tree.values())
