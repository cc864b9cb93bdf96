"""Programming languages: a few lines of YAML each (after Agnostics: programs are judged only by what they
do)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rewards.sandbox.base import Limits

LANGUAGES = Path(__file__).parent.parent / "languages"
HARNESS = Path(__file__).parent / "harness"

Argv = tuple[str, ...]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class UnitTests(_Strict):
    """How tests that are compiled into the program prove that they ran to their end; see
    ``rewards.code.unit_tests``."""

    files: Mapping[str, str]
    """Name beside the program -> file of ``rewards/code/harness`` (or beside the YAML file): what holds the
    proof."""
    rewrite: tuple[tuple[str, str], ...] = ()
    """[pattern, replacement] on the text of the tests, in order."""
    rewrite_program: tuple[tuple[str, str], ...] = ()
    """The same on the program's."""
    refuse: tuple[str, ...] = ()
    """Patterns that no program may match, with its comments taken out and its continued lines joined: what
    would change the text of the tests."""
    between: str = "\n"
    """Between program and tests; ends what a program may leave open."""
    end: str = ""
    """After the tests, where ``{proof}`` stands for the proof; empty where the harness gets the proof from
    stdin."""
    calls: str = ""
    """Pattern whose first group is the name of a test function that the harness must call itself."""
    call: str = ""
    """The call, with ``{name}``; the calls take the place of ``{calls}`` in the harness files."""
    compile: Argv = ()
    artifacts: tuple[str, ...] = ()
    run: Argv


class Language(_Strict):
    """One language. ``{file}`` and ``{stem}`` in the commands stand for the source file's name, without and
    with its suffix."""

    name: str
    aliases: tuple[str, ...] = ()
    """Other names of it, in rows and behind code fences."""
    file: str
    """Name of the source file; may contain ``{stem}``."""
    stem: str = "program"
    stem_pattern: str = ""
    """Its first match's group 1 in the source, if any, is the stem instead (Java's public class)."""
    compile: Argv = ()
    """Empty: nothing to compile."""
    artifacts: tuple[str, ...] = ()
    """Files that the compiler leaves and that running needs."""
    run: Argv
    version: Argv
    """Succeeds where the language is installed."""
    version_program: str = ""
    """Source for a ``version`` command that needs one."""
    needs: tuple[str, ...] = ()
    """Programs that must be installed, for the error message; by default the first words of the commands."""
    package: str = ""
    """Name of the package that has them, in Debian and Ubuntu."""
    env: Mapping[str, str] = Field(default_factory=dict)
    limits: Mapping[str, float] = Field(default_factory=dict)
    """Fields of :class:`~rewards.sandbox.base.Limits` that differ from its defaults, for every run."""
    compile_limits: Mapping[str, float] = Field(default_factory=dict)
    unit_tests: UnitTests | None = None
    folder: Path = HARNESS
    """Where the harness files are."""

    def source_name(self, source: str) -> tuple[str, str]:
        """(file, stem) for this source text."""
        found = re.search(self.stem_pattern, source) if self.stem_pattern else None
        stem = found[1] if found else self.stem
        return self.file.replace("{stem}", stem), stem

    def programs(self) -> tuple[str, ...]:
        """Return the programs that must be installed."""
        commands = [command for command in (self.compile, self.run) if command]
        return self.needs or tuple(dict.fromkeys(command[0] for command in commands if "/" not in command[0]))

    def how_to_install(self) -> str:
        """Return advice for where the language is missing."""
        if not self.package:
            return f"install {self.name} from its own site, or leave such rows out"
        return f"install it (Debian, Ubuntu: apt-get install {self.package})"

    def harness(self, calls: str = "") -> dict[str, bytes]:
        """Files of the unit-test harness."""
        files = self.unit_tests.files if self.unit_tests else {}
        return {
            name: (self.folder / text).read_text().replace("{calls}", calls).encode()
            for name, text in files.items()
        }


def fill(argv: Sequence[str], file: str, stem: str) -> Argv:
    """A command with the source's names in it."""
    return tuple(word.replace("{file}", file).replace("{stem}", stem) for word in argv)


def limits_of(*changes: Mapping[str, float]) -> Limits:
    """The sandbox's default limits with these changes, later ones winning."""
    merged = {name: value for change in changes for name, value in change.items()}
    whole = {name: value if name.endswith("_s") else int(value) for name, value in merged.items()}
    try:
        # Ints where it wants ints, by the line above
        return replace(Limits(), **whole)  # type: ignore[arg-type]
    except TypeError as error:
        fields = sorted(Limits.__dataclass_fields__)
        raise ValueError(f"limits: {error}; the fields are {fields}") from error


def load_language(path: Path) -> Language:
    """One YAML file; its name is the language's.

    Raises:
        ValueError: The file says something that a language has not.
    """
    fields: Any = yaml.safe_load(path.read_text())
    folder = HARNESS if path.parent == LANGUAGES else path.parent
    try:
        language = Language(name=path.stem, folder=folder, **fields)
    except (ValidationError, TypeError) as error:
        raise ValueError(f"language file {path.name}: {error}") from error
    if language.compile and not language.artifacts:
        raise ValueError(
            f"language file {path.name}: artifacts is empty; name the files that the compiler leaves"
        )
    limits_of(language.limits, language.compile_limits)
    return language


@lru_cache(maxsize=8)
def load_languages(extra: str | None = None) -> Mapping[str, Language]:
    """Every name and alias -> language: the shipped ones, and those of the folder ``extra``, which win.

    Raises:
        ValueError: ``extra`` is no folder, or a file of it is wrong.
    """
    if extra is not None and not Path(extra).is_dir():
        raise ValueError(f"languages: {extra!r} is not a folder of YAML files")
    folders = [LANGUAGES, *([Path(extra)] if extra else [])]
    found: dict[str, Language] = {}
    for folder in folders:
        for path in sorted(folder.glob("*.yaml")):
            language = load_language(path)
            found.update(dict.fromkeys((language.name, *language.aliases), language))
    return found


def find_language(name: str, extra: str | None = None) -> Language:
    """By name or alias, whatever its case.

    Raises:
        ValueError: Unknown.
    """
    languages = load_languages(extra)
    if name.strip().lower() not in languages:
        known = sorted({language.name for language in languages.values()})
        raise ValueError(
            f"language: {name!r} is unknown; use one of {known}, or add a YAML file (docs/rewards_code.md)"
        )
    return languages[name.strip().lower()]
