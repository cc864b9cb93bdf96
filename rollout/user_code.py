"""Code of users, named in a config: ``pkg.module:attr``, or ``path/to/file.py:attr`` relative to the working
directory.

A file is loaded by its path, under a private name: what it is called cannot hide a package of ours
(``rewards.py`` is the most natural name there is), and no PYTHONPATH is needed. Its own folder, and for
modules the working directory, come last on the path.
"""

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

SUFFIX = ".py"
Part = TypeVar("Part")
Function = TypeVar("Function", bound=Callable[..., Any])


class NoSuchName(AttributeError):
    """The module has no such attribute."""


def resolve_setting(field: str, name: str, builtin: Mapping[str, Part]) -> Part:
    """The part that the setting ``field`` names: an entry of ``builtin``, or outside code.

    Outside code is not checked here, since only the caller knows what kind it must be.

    Raises:
        ValueError: naming the field, and the choices or what is wrong with the outside code.
    """
    if name in builtin:
        return builtin[name]
    if ":" not in name:
        raise ValueError(
            f"{field} is {name!r}: choose one of {', '.join(sorted(builtin))}, or name code of your own as"
            " pkg.module:attr or path/to/file.py:attr"
        )
    try:
        return load_attribute(name)
    except (ImportError, AttributeError, SyntaxError) as error:
        raise ValueError(f"{field} is {name!r}: {error}") from error


def resolve_function(field: str, name: str, builtin: Mapping[str, Function]) -> Function:
    """As ``resolve_setting``, for parts that are functions.

    Raises:
        ValueError: also where the outside code cannot be called.
    """
    found = resolve_setting(field, name, builtin)
    if not callable(found):
        raise ValueError(f"{field} is {name!r}: it must be a function, and is {type(found).__name__}")
    return found


def load_attribute(target: str) -> Any:
    """Load what ``target`` names; whatever the user's code raises when it is imported, it raises here.

    Raises:
        ImportError: There is no such module or file.
        NoSuchName: It has no such attribute.
    """
    place, _, attribute = target.rpartition(":")
    module = load_module(place)
    if not hasattr(module, attribute):
        raise NoSuchName(f"{place} has no {attribute!r}")
    return getattr(module, attribute)


def load_module(place: str) -> ModuleType:
    """The module of an import path or of a file; the same one every time."""
    if not place.endswith(SUFFIX):
        _last_on_path(Path.cwd())
        return importlib.import_module(place)
    path = Path(place).expanduser().absolute()
    if not path.is_file():
        raise ImportError(f"{path}: no such file")
    name = private_name(path)
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None, "a .py file has a loader"
        _last_on_path(path.parent)
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        with ExitStack() as undo:
            undo.callback(sys.modules.pop, name)  # half a module must not be taken for it the next time
            spec.loader.exec_module(module)
            undo.pop_all()
    return sys.modules[name]


def private_name(path: Path) -> str:
    """Module name of a file: its own, and enough of its path's digest to be nobody else's."""
    return f"t2rl_user_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"


def absolute_target(target: str) -> str:
    """The same with an absolute path, for processes that have another working directory; import paths and
    names stay."""
    place, separator, attribute = target.rpartition(":")
    if not separator or not place.endswith(SUFFIX):
        return target
    return f"{Path(place).expanduser().absolute()}:{attribute}"


def absolute_targets(value: Any) -> Any:
    """JSON-like arguments with every ``file.py:attr`` in them made absolute, as a rubric's components may
    have."""
    if isinstance(value, str):
        return absolute_target(value)
    if isinstance(value, Mapping):
        return {key: absolute_targets(inner) for key, inner in value.items()}
    return [absolute_targets(inner) for inner in value] if isinstance(value, list | tuple) else value


def _last_on_path(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
