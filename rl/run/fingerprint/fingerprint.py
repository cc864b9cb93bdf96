"""The fingerprint of a run: made before anything starts, kept with every checkpoint, compared at a resume."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rl.config.errors import ConfigError, listed, suggest
from rl.records.hashes import hash_values
from rl.records.storage import write_whole

FILE = "fingerprint.json"
VERSION = 1
FEW = 3
"""Parts of a thing that a message shows one by one."""
THINGS = (
    "data",
    "held_out",
    "base",
    "tokenizer",
    "reward",
    "reward_model",
    "curriculum_code",
    "algorithm_code",
)
"""Things that are compared beside the settings; each can be accepted by its name, the held-out prompts also
as data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """Hashes and values in JSON's types."""

    things: dict[str, dict[str, Any]]
    """Each of ``THINGS`` that the run has: part -> hash or number."""
    settings: dict[str, Any]
    """``identity_values`` of the config."""
    defaults: frozenset[str] = frozenset()
    """Settings at their defaults; not kept."""
    origins: dict[str, str] = field(default_factory=dict)
    """Thing -> where it came from, for messages only."""

    def write(self, path: Path) -> None:
        """Whole or not at all."""
        content = {
            "version": VERSION,
            **{key: value for key, value in asdict(self).items() if key != "defaults"},
        }
        write_whole(path, (json.dumps(content, indent=1, sort_keys=True) + "\n").encode())

    @classmethod
    def read(cls, path: Path) -> "Fingerprint | None":
        """Read what ``write`` wrote; None where there is none, as of runs of T2RL 0.1.

        Raises:
            ValueError: It was written by another version.
        """
        if not path.is_file():
            return None
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["version"] != VERSION:
            raise ValueError(
                f"{path} is of format {content['version']}, this T2RL reads {VERSION}; resume with the one"
                " that wrote it"
            )
        return cls(things=content["things"], settings=content["settings"], origins=content["origins"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing or setting that is not what it was."""

    name: str
    """A thing, or the path of a setting: what ``resume.accept`` takes."""
    text: str
    """Old and new, in words."""
    parts: tuple[str, ...] = ()
    """Parts of the thing that differ."""


def differences(old: Fingerprint, new: Fingerprint) -> list[Difference]:
    """Everything that differs, things first.

    A setting that the old T2RL did not know counts only if it is not at its default; a thing that it did not
    know, always.
    """
    return [*_thing_differences(old, new), *_setting_differences(old, new)]


def check_accept(accept: Sequence[str], new: Fingerprint) -> None:
    """Refuse names in ``resume.accept`` that mean nothing.

    Raises:
        ConfigError: With the nearest name and the choices.
    """
    sections = {path[:end] for path in new.settings for end in _ends(path)}
    for name in accept:
        if name not in THINGS and name not in sections:
            known = {*THINGS, *(s for s in sections if "." not in s)}
            hint = suggest(name, {*THINGS, *sections})
            raise ConfigError(
                f"resume.accept: {name!r} is nothing that a resume compares.{hint} Choices: {listed(known)},"
                " or a field"
            )


def refuse(
    found: Sequence[Difference], *, accept: Sequence[str], run: Path, final: Mapping[str, str] | None = None
) -> None:
    """Raise for every difference that is not accepted.

    Args:
        found: what differs.
        accept: ``resume.accept``.
        run: the run directory, for the message.
        final: name -> why accepting it would not help; of what is among ``found``.

    Raises:
        ConfigError: Naming each with its old and new value, and the ways on.
    """
    final = dict(final or {})
    stopped = [d for d in found if d.name in final or not _accepted(d.name, accept)]
    if not stopped:
        return
    lines = [f"  {d.name}: {d.text}" + (f" ({final[d.name]})" if d.name in final else "") for d in stopped]
    can_pass = [d.name for d in stopped if d.name not in final]
    ways = "give what it was, or start a new run (resume=never, another run.name)"
    if can_pass and len(can_pass) == len(stopped):
        names = ",".join(dict.fromkeys([*accept, *can_pass]))
        ways = (
            f"give what it was, say that the difference is meant with 'resume.accept=[{names}]', or start a"
            " new run (resume=never)"
        )
    raise ConfigError(
        f"resume: {run} is not this run any more:\n" + "\n".join(lines) + f"\n{ways[0].upper()}{ways[1:]}"
    )


def _accepted(name: str, accept: Sequence[str]) -> bool:
    held_out = name == "held_out" and "data" in accept
    return held_out or any(name == one or name.startswith(f"{one}.") for one in accept)


def _ends(path: str) -> Iterator[int]:
    """Where each prefix of a dotted path ends, the whole one included."""
    yield from (i for i, character in enumerate(path) if character == ".")
    yield len(path)


def _thing_differences(old: Fingerprint, new: Fingerprint) -> Iterator[Difference]:
    for name in THINGS:
        was, now = old.things.get(name), new.things.get(name)
        if was == now:
            continue
        parts = tuple(
            sorted(
                key for key in {*(was or {}), *(now or {})} if (was or {}).get(key) != (now or {}).get(key)
            )
        )
        named = [part for part in parts if part != "number"]
        much = f" (different: {', '.join(named)})" if len(named) > FEW else ""
        texts = [_said(fp, name, named) for fp in (old, new)]
        yield Difference(name=name, text=f"was {texts[0]}; now {texts[1]}{much}", parts=parts)


def _said(of: Fingerprint, name: str, parts: Sequence[str]) -> str:
    """``300 rows, answer 0123456789abcdef, from rows.jsonl``; where much differs, one hash for all of it."""
    thing = of.things.get(name)
    if thing is None:
        return "none"
    said = [f"{thing['number']} rows"] if "number" in thing else []
    if len(parts) <= FEW:
        said += [f"{part} {thing.get(part, 'none')}" for part in parts]
    else:
        said.append(f"hash {hash_values(thing.get(part) for part in parts)}")
    return ", ".join(said) + (f", from {of.origins[name]}" if of.origins.get(name) else "")


def _setting_differences(old: Fingerprint, new: Fingerprint) -> Iterator[Difference]:
    """Where a section came, went, or became one of another kind, that alone is said: its fields cannot be
    compared."""
    for path in sorted({*old.settings, *new.settings}):
        was, now = old.settings.get(path), new.settings.get(path)
        if path in old.settings and path in new.settings:
            if was != now:
                yield Difference(name=path, text=f"was {_short(was)}; now {_short(now)}")
        elif not _section_changed(path, old, new) and (path in old.settings or path not in new.defaults):
            yield Difference(name=path, text=f"was {_short(was)}; now {_short(now)}")


def _section_changed(path: str, old: Fingerprint, new: Fingerprint) -> bool:
    for end in _ends(path):
        for name in (path[:end], f"{path[:end]}.kind"):
            if (
                name != path
                and name in old.settings
                and name in new.settings
                and old.settings[name] != new.settings[name]
            ):
                return True
    return False


def _short(value: Any) -> str:
    text = json.dumps(value) if value is not None else "none"
    return text if len(text) <= 80 else f"{text[:77]}..."
