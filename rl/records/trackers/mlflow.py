"""MLflow: ``tracker.mlflow.uri``, else MLFLOW_TRACKING_URI, else a database of its own in ``RUN/mlflow``;
``mlflow ui --backend-store-uri sqlite:///RUN/mlflow/mlflow.db`` shows it."""

import logging
import os
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from rl.records.trackers.base import Row, TrackedRun, flat, markdown_table
from rl.records.trackers.ids import keep_id, read_id

PARAMETERS_AT_ONCE = 100
"""MLflow takes no more parameters in one call."""
LONGEST_PARAMETER = 6000
"""Characters of a parameter that MLflow takes."""
FOREIGN = re.compile(r"[^\w./ :-]", re.ASCII)
"""MLflow takes no such character in the name of a metric or a parameter, as in ``pass@1``."""


class MlflowRun:
    """One MLflow run; a resume goes on with it by its id."""

    def __init__(self, run: TrackedRun) -> None:
        """Start or go on; raises what MLflow raises."""
        from mlflow import MlflowClient
        from mlflow.entities import Metric, Param

        # It tells of every table that it makes.
        logging.getLogger("mlflow").setLevel(logging.WARNING)
        self._metric = Metric
        uri = run.settings.get("uri") or os.environ.get("MLFLOW_TRACKING_URI")
        own = _own_place(run.directory) if uri is None else None
        self._client: MlflowClient | None = MlflowClient(tracking_uri=uri or f"sqlite:///{own}/mlflow.db")
        known = read_id(run.directory, "mlflow")
        if known is not None:
            self._id = known
            self._client.set_terminated(known, status="RUNNING")
            return
        name = run.settings.get("experiment", "t2rl")
        found = self._client.get_experiment_by_name(name)
        place = None if own is None else (own / "artifacts").as_uri()
        experiment = found.experiment_id if found else self._client.create_experiment(name, place)
        tags = {str(key): str(value) for key, value in run.settings.get("tags", {}).items()}
        self._id = self._client.create_run(experiment, run_name=run.name, tags=tags).info.run_id
        keep_id(run.directory, "mlflow", self._id)
        parameters = [
            Param(FOREIGN.sub("_", key), str(value)[:LONGEST_PARAMETER])
            for key, value in flat(run.config).items()
        ]
        for start in range(0, len(parameters), PARAMETERS_AT_ONCE):
            self._client.log_batch(self._id, params=parameters[start : start + PARAMETERS_AT_ONCE])

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Record one step."""
        assert self._client is not None, "finished"
        now = int(1000 * time.time())
        found = [
            self._metric(FOREIGN.sub("_", key), float(value), now, step) for key, value in metrics.items()
        ]
        self._client.log_batch(self._id, metrics=found)

    def samples(self, step: int, rows: Sequence[Row]) -> None:
        """Keep a table as an artifact."""
        assert self._client is not None, "finished"
        self._client.log_text(self._id, markdown_table(rows), f"samples/step-{step:08d}.md")

    def finish(self) -> None:
        """Say that the run is over; idempotent."""
        if self._client is not None:
            self._client.set_terminated(self._id)
            self._client = None


def _own_place(directory: Path) -> Path:
    place = directory.absolute() / "mlflow"
    place.mkdir(exist_ok=True)
    return place
