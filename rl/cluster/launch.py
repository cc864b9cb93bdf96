"""Running a config as a Ray job: the cluster's head starts ``t2rl train`` in a copy of the working
directory."""

import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rl.cluster.jobs import STOP_WAIT_S, follow_job, job_server
from rl.config.load import ConfigError, load_config
from rl.config.secrets import is_secret_variable

EXCLUDES = ("/.git/", "/.venv*/", "/runs/", "/wandb/", "__pycache__/", "*.safetensors")
"""Not uploaded with the working directory, in .gitignore's syntax."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A job as Ray Jobs gets it."""

    address: str
    """Address of the dashboard: ``http://head:8265``."""
    entrypoint: str
    runtime_env: dict[str, Any]
    metadata: dict[str, str]

    @classmethod
    def plan(
        cls, name: str, overrides: list[str], *, address: str, working_dir: str = ".", python: str = "python"
    ) -> "Submission":
        """Check the config here, before anything travels, and write the submission. ``python`` is the
        interpreter on the head.

        Raises:
            ConfigError: The config is wrong, its file lies outside the working directory, which is all that
                the cluster sees, or its results would lie in a directory that the cluster throws away.
        """
        # A job must join the cluster that runs it; without an address it would start a Ray of its own beside
        # it.
        joined = (
            overrides
            if any(o.lstrip("+").startswith("cluster.address=") for o in overrides)
            else [*overrides, "cluster.address=auto"]
        )
        config, inside = load_config(name, joined), _inside(name, Path(working_dir))
        _refuse_secrets(config.cluster.env, overrides)
        if not Path(config.run.dir).is_absolute():
            raise ConfigError(
                f"run.dir: {config.run.dir!r} is relative: the job would write into its temporary copy of the"
                " working directory. Give the absolute path of a directory that all nodes see, e.g."
                " run.dir=/shared/runs"
            )
        command = [python, "-m", "rl.cli", "train", inside, *joined]
        return cls(
            address=address,
            entrypoint=shlex.join(command),
            runtime_env={
                "working_dir": working_dir,
                "excludes": list(EXCLUDES),
                "env_vars": {"WANDB_MODE": "offline", "RAY_JOB_STOP_WAIT_TIME_S": str(STOP_WAIT_S)},
            },
            metadata={"name": config.run.name, "cluster": config.cluster.name},
        )

    def as_json(self) -> str:
        """For ``--dry-run``."""
        return json.dumps(asdict(self), indent=2)


def _refuse_secrets(env: Mapping[str, str], overrides: list[str]) -> None:
    """A job's command stands in the dashboard, in the job's record and in the head's list of processes."""
    written = [override for override in overrides if override.lstrip("+").startswith("cluster")]
    for variable, value in env.items():
        if is_secret_variable(variable) and value and any(value in override for override in written):
            raise ConfigError(
                f"cluster.env.{variable}: a secret would stand in the job's command, which the dashboard"
                f" shows. Set {variable} in the environment of ray start on every node, or pass"
                f" cluster.env.{variable}='${{oc.env:{variable},\"\"}}' to take the head's"
            )


def _inside(name: str, working_dir: Path) -> str:
    """The config as the job names it: a file's path relative to the working directory."""
    path = Path(name)
    if not path.is_file():
        return name
    try:
        return str(path.resolve().relative_to(working_dir.resolve()))
    except ValueError:
        raise ConfigError(
            f"{name}: lies outside --working-dir {working_dir}, which is all that the cluster gets; move it"
            " inside"
        ) from None


def submit(job: Submission, *, echo: Callable[[str], object]) -> int:
    """Submit, pass the log on to ``echo``, and return the job's exit code. Ctrl-C stops following, not the
    job.

    Raises:
        ConfigError: No dashboard answers, or it has no job server.
    """
    with job_server(job.address) as client:
        job_id = client.submit_job(
            entrypoint=job.entrypoint, runtime_env=job.runtime_env, metadata=job.metadata
        )
    echo(f"job {job_id}; t2rl status|logs|stop {job_id} --address {job.address} looks at it and ends it\n")
    return follow_job(job.address, job_id, echo=echo)
