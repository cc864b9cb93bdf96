"""The cost meter of a run, from its config."""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from rl.cluster.placement import plan_placement
from rl.config.model import trusts_code
from rl.config.schema import Config
from rl.evaluation.gain import extra_correct_since_base
from rl.records.cost.flops import ModelCost
from rl.records.cost.model import read_model_cost
from rl.records.cost.peaks import peak_of
from rl.records.metrics import read_metrics
from rl.records.rundir import RunDir
from rl.run.cost_meter import CostMeter, Engines, Machines, Usage

logger = logging.getLogger(__name__)


def build_meter(
    config: Config,
    *,
    model_path: Path,
    probe: Sequence[int],
    device: str,
    usage: Callable[[], Usage],
    run: RunDir,
) -> CostMeter:
    """The meter of an attempt, whose rows in ``metrics.jsonl`` have begun.

    Args:
        config: the run's.
        model_path: the base.
        probe: tokens of each sequence that engines and learner are compared on.
        device: name of the learner's; the engines' counts as the same.
        usage: counters of the engines.
        run: its directory.
    """
    rows = read_metrics(run.metrics)
    temperature = config.evaluation.temperature
    return CostMeter(
        model=_model(config, model_path),
        machines=machines(config, device),
        engines=Engines(
            block=config.rollout.block_size if config.rollout.prefix_cache else None,
            computed_again=config.rollout.kv_after_update == "clear",
        ),
        usage=usage,
        extra_correct=partial(extra_correct_since_base, run.eval, temperature=temperature),
        probe=probe,
        last=rows[-1] if rows else None,
    )


def machines(config: Config, device: str) -> Machines:
    """The processes and GPUs that a run holds."""
    placed = plan_placement(config).totals.get("GPU", 0.0)
    cluster, ranks, engines = config.cluster, config.learner.num_ranks, config.rollout.num_engines
    model = config.reward_model
    products = "bfloat16" if config.learner.dtype == "autocast" else config.learner.dtype
    peaks = peak_of(device, config.rollout.dtype), peak_of(device, products)
    shares = engines * cluster.gpus_per_engine, ranks * cluster.gpus_per_learner
    peak = learner_peak = None
    if sum(shares) and peaks[0] is not None and peaks[1] is not None:
        # On one shared GPU the shares need not add up to it.
        peak = placed * (shares[0] * peaks[0] + shares[1] * peaks[1]) / sum(shares)
        learner_peak = peaks[1] * max(1.0, cluster.gpus_per_learner) * ranks
    return Machines(
        engines=engines,
        ranks=ranks,
        gpus=placed + (0.0 if model is None else model.gpus),
        peak=peak,
        learner_peak=learner_peak,
        price_per_gpu_hour=cluster.price_per_gpu_hour,
    )


def _model(config: Config, path: Path) -> ModelCost | None:
    try:
        return read_model_cost(path, trust=trusts_code(config.model), lora=config.learner.lora)
    except ValueError as error:
        logger.warning("FLOPs and MFU are not counted: %s", error)
        return None
