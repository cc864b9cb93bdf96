"""Field names of the config tree, read from the pydantic types: for checking keys and for suggesting the
right one."""

import types
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel

from rl.config.choice import Choice, names_of
from rl.config.errors import listed, suggest
from rl.config.moved import moved_to


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
        annotations = field_names(sections).get(part, [])
        if rest and (values := [get_args(one)[1] for one in annotations if get_origin(one) is dict]):
            path.append(rest.pop(0))
            annotations = values
        sections = [s for annotation in annotations for s in sections_of(annotation)]
        if len(sections) > 1 and rest:
            tag = rest.pop(0)
            sections = [s for s in sections if tag in (s.__name__, _kind(s))]
    return path


def _kind(section: type[BaseModel]) -> Any:
    """Return what ``kind`` says of a member of a union that goes by it."""
    return section.model_fields["kind"].default if "kind" in section.model_fields else None


def choices_at(root: type[BaseModel], path: list[str]) -> list[type[Choice]]:
    """Return what may be chosen at a dotted path; nothing where there is no choice of this kind."""
    return [section for section in sections_at(root, path) if issubclass(section, Choice)]


def default_choice(root: type[BaseModel], path: list[str]) -> str | None:
    """Name of the choice that a path has by default; None where it has none."""
    for section in sections_at(root, path[:-1]):
        info = section.model_fields.get(path[-1])
        if info is not None and isinstance(info.default, Choice):
            return info.default.name
    return None


def sections_at(root: type[BaseModel], path: list[str]) -> list[type[BaseModel]]:
    """The section types at a dotted path."""
    sections: list[type[BaseModel]] = [root]
    for part in path:
        sections = [s for annotation in field_names(sections).get(part, []) for s in sections_of(annotation)]
    return sections


def names_at(section: type[BaseModel], field: str) -> set[str]:
    """The names that a field takes, one's own code left out: of its choices, or of its Literal."""
    annotation = section.model_fields[field].annotation
    kinds = sections_of(annotation)
    if not kinds:
        return set(get_args(annotation))
    return {name for kind in kinds if issubclass(kind, Choice) for name in names_of(kind)}


def readers(kinds: list[type[Choice]], field: str) -> list[str]:
    """Names of the choices that read a field."""
    return [name for kind in kinds if field in kind.model_fields for name in names_of(kind)]


def explain_unknown(root: type[BaseModel], path: list[str]) -> str | None:
    """Why the dotted ``path`` is no field, with the nearest name and the choices; None when it is one.

    Below a plain mapping or a list everything goes: values are checked by type.
    """
    sections: list[type[BaseModel]] = [root]
    seen: list[str] = []
    new = moved_to(path)
    if new is not None:
        return f"{'.'.join(path)}: is now {new} (docs/config.md)"
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
