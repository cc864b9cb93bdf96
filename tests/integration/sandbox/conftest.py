"""One sandbox for all tests of this folder; they run real bubblewrap."""

from collections.abc import Callable, Iterator

import pytest

from rewards.sandbox import Job, Limits, Outcome, SandboxError, Step
from rewards.sandbox.local import LocalSandbox

Run = Callable[..., Outcome]


@pytest.fixture(scope="session")
def sandbox() -> Iterator[LocalSandbox]:
    try:
        opened = LocalSandbox()
    except SandboxError as error:
        pytest.skip(str(error))
    with opened:
        yield opened


@pytest.fixture(scope="session")
def python(sandbox: LocalSandbox) -> Run:
    """Run a Python program, with limits as keyword arguments."""

    def run(code: str, *, stdin: bytes = b"", env: dict[str, str] | None = None, **limits: float) -> Outcome:
        step = Step(
            argv=("python3", "main.py"), stdin=stdin, env=env or {}, limits=Limits(**limits)
        )  # by name
        [outcome] = sandbox.run(Job(files={"main.py": code.encode()}, steps=[step]))
        return outcome

    return run
