"""The verifiers beside the rest of the run."""

from collections.abc import Iterator

from rl.config.tree import ConfigTree


def verifiers_problems(config: ConfigTree) -> Iterator[str]:
    """A completion's time must fit into its group's, and settings of Ray actors need Ray actors."""
    verifiers, limit = config.verifiers, config.stream.group_timeout_s
    if verifiers.timeout_s is not None and verifiers.timeout_s >= limit:
        yield (
            f"verifiers.timeout_s: {verifiers.timeout_s:g} s for one completion do not fit into"
            f" stream.group_timeout_s={limit:g} for its group; lower the first or raise the second"
        )
    if verifiers.placement == "local":
        given = [name for name in ("actors", "cpus") if getattr(verifiers, name) not in (1, None)]
        if given:
            yield (
                f"verifiers.{given[0]}: only verifiers.placement=ray has actors; set that, or use"
                " verifiers.workers"
            )
