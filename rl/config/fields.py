"""Field names of the config tree, read from the pydantic types: for checking keys and for suggesting the
right one."""

import types
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel

from rl.config.errors import listed, suggest


def sections_of(annotation: Any) -> list[type[BaseModel]]:
    """Every section type inside an annotation: ``Annotated[A | B, ...]`` and ``A | None`` included."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (Union, types.UnionType) or hasattr(annotation, "__metadata__"):
        return [section for part in get_args(annotation) for section in sections_of(part)]
    return []


def field_names(sections: list[type[BaseModel]]) -> dict[str, list[Any]]:
    """Field name -> its annotations, over all sections (the members of a union differ)."""
    names: dict[str, list[Any]] = {}
    for section in sections:
        for name, info in section.model_fields.items():
            names.setdefault(name, []).append(info.annotation)
    return names


def leaf_paths(root: type[BaseModel], prefix: str = "") -> list[str]:
    """Dotted names of everything below ``root``, sections themselves included."""
    paths: list[str] = []
    for name, annotations in field_names([root]).items():
        paths.append(prefix + name)
        for annotation in annotations:
            for section in sections_of(annotation):
                paths += leaf_paths(section, f"{prefix}{name}.")
    return list(dict.fromkeys(paths))


def without_tags(root: type[BaseModel], location: list[str]) -> list[str]:
    """Pydantic's error location as a field path: it names the member of a union (``model.recipe.lr``), which
    no user writes."""
    path: list[str] = []
    sections, rest = [root], list(location)
    while rest:
        part = rest.pop(0)
        path.append(part)
        sections = [s for annotation in field_names(sections).get(part, []) for s in sections_of(annotation)]
        if len(sections) > 1 and rest:
            tag = rest.pop(0)
            sections = [
                s for s in sections if "kind" in s.model_fields and s.model_fields["kind"].default == tag
            ]
    return path


def explain_unknown(root: type[BaseModel], path: list[str]) -> str | None:
    """Why the dotted ``path`` is no field, with the nearest name and the choices; None when it is one.

    Below a plain mapping or a list everything goes: values are checked by type.
    """
    sections: list[type[BaseModel]] = [root]
    seen: list[str] = []
    for part in path:
        names = field_names(sections)
        if part not in names:
            where = ".".join(seen)
            elsewhere = sorted(
                (p for p in leaf_paths(root) if p.rsplit(".", 1)[-1] == part), key=lambda p: p.count(".")
            )
            hint = suggest(part, names) or (f" Did you mean {elsewhere[0]!r}?" if elsewhere else "")
            return (
                f"{'.'.join([*seen, part])}: no such field.{hint} Choices in {where or 'the config'}:"
                f" {listed(names)}"
            )
        seen.append(part)
        sections = [s for annotation in names[part] for s in sections_of(annotation)]
        if not sections:
            return None
    return None
