"""Is this machine fit to train? Every check says what it found and, if something is wrong, what to do."""

from rl.commands.doctor.check import Check


def run_checks(*, quick: bool = False) -> list[Check]:
    """Every check, in the order of a fresh set-up; ``quick`` leaves out those that start Ray, vLLM and
    DeepSpeed."""
    from rl.commands.doctor.live import live_checks
    from rl.commands.doctor.machine import machine_checks
    from rl.commands.doctor.packages import package_checks
    from rl.commands.doctor.sandbox import sandbox

    return [*machine_checks(), *package_checks(), sandbox(), *([] if quick else live_checks())]
