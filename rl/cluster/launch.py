"""Running a config as a Ray job: the cluster's head starts ``t2rl train`` in a copy of the working
directory."""

import asyncio
import json
import shlex
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rl.config.load import ConfigError, load_config
from rl.config.secrets import is_secret_variable

EXCLUDES = ("/.git/", "/.venv*/", "/runs/", "/wandb/", "__pycache__/", "*.safetensors")
"""Not uploaded with the working directory, in .gitignore's syntax."""
POLL_S = 5.0
STOPPED = 130
"""Exit code of a job that somebody stopped."""


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
        _refuse_secrets(overrides)
        # A job must join the cluster that runs it; without an address it would start a Ray of its own beside
        # it.
        joined = (
            overrides
            if any(o.lstrip("+").startswith("cluster.address=") for o in overrides)
            else [*overrides, "cluster.address=auto"]
        )
        config, inside = load_config(name, joined), _inside(name, Path(working_dir))
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
                "env_vars": {"WANDB_MODE": "offline"},
            },
            metadata={"name": config.run.name, "cluster": config.cluster.name},
        )

    def as_json(self) -> str:
        """For ``--dry-run``."""
        return json.dumps(asdict(self), indent=2)


def _refuse_secrets(overrides: list[str]) -> None:
    """A job's command stands in the dashboard, in the job's record and in the head's list of processes."""
    for override in overrides:
        field, _, value = override.lstrip("+").partition("=")
        variable = field.removeprefix("cluster.env.")
        if (
            variable != field
            and is_secret_variable(variable)
            and value
            and not value.lstrip("'\"").startswith("${")
        ):
            raise ConfigError(
                f"{field}: a secret would stand in the job's command, which the dashboard shows. Set"
                f" {variable} in the environment of ray start on every node, or pass"
                f" {field}='${{oc.env:{variable}}}' to take the head's"
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
    from ray.exceptions import AuthenticationError
    from ray.job_submission import JobSubmissionClient

    try:
        client = JobSubmissionClient(job.address)
        job_id = client.submit_job(
            entrypoint=job.entrypoint, runtime_env=job.runtime_env, metadata=job.metadata
        )
    except AuthenticationError as error:
        raise ConfigError(
            f"--address {job.address}: the cluster asks for its token; set RAY_AUTH_MODE=token, with the"
            " head's ~/.ray/auth_token in RAY_AUTH_TOKEN or in that file here"
        ) from error
    except (ConnectionError, RuntimeError) as error:
        raise ConfigError(
            f"--address {job.address}: cannot submit ({str(error).strip().splitlines()[0]}). The head needs"
            " Ray's dashboard and job server: pip install 'ray[default]' there, ray start --head, and reach"
            " port 8265 (ray dashboard forwards it)"
        ) from error
    echo(f"job {job_id} at {job.address}; ray job stop {job_id} --address {job.address} ends it\n")
    try:
        asyncio.run(_follow(client, job_id, echo))
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"job {job_id} goes on; ray job logs -f {job_id} --address {job.address} follows it again"
        ) from None
    # The log ends early if its connection breaks; the job's own end is what counts.
    while not (info := client.get_job_info(job_id)).status.is_terminal():
        time.sleep(POLL_S)
    return exit_code(info)


async def _follow(client: Any, job_id: str, echo: Callable[[str], object]) -> None:
    async for text in client.tail_job_logs(job_id):
        echo(text)


def exit_code(info: Any) -> int:
    """0, the driver's own exit code, or 130 for a job that was stopped."""
    if info.status == "SUCCEEDED":
        return 0
    if info.status == "STOPPED":
        return STOPPED
    return info.driver_exit_code or 1
