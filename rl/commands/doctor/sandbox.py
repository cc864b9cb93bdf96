"""Whether programs that a model wrote can be run isolated."""

from rewards.sandbox.base import SandboxError
from rl.commands.doctor.check import Check


def sandbox() -> Check:
    """A warning only: nothing but code rewards needs it."""
    from rewards.sandbox.local import LocalSandbox

    try:
        with LocalSandbox() as local:
            found = local.describe()
            missing = local.missing()
    except SandboxError as error:
        remedy = f"code rewards will not start: {error}"
        return Check(name="sandbox", status="warn", found="not usable", remedy=remedy)
    return Check(name="sandbox", status="warn" if missing else "ok", found=found, remedy="; ".join(missing))
