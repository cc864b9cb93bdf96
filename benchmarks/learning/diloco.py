"""Low-communication data parallel, its price in learning and its bytes: two replicas that exchange how far
they moved every few batches, against plain data parallel.

    python -m benchmarks.learning.diloco [--steps 32] [--seeds 0 1 2] [--arms a,b] [--quick] [--json FILE]
    [overrides]

The loop is that of ``examples/rl_loop.py``: synchronous, one process, a real vLLM engine, the quickstart's
base and objective. Replicas are ``rl.learner.diloco.replica.Replica`` around a policy and an AdamW each,
linked by gloo; the engine gets the outer weights after every batch. Plain data parallel is one policy over
the whole batch, which is what ranks that add up their gradients compute. Every arm of a seed draws the same
prompts. In ``lost`` a replica is gone for ``AWAY`` batches from the middle on, with all it had, and comes
back from the outer weights (that the processes of a run survive a SIGKILL of one is shown by
``tests/integration/learner/test_diloco.py``).

Bytes are those that one of ``REPLICAS`` sends; of plain data parallel 2 (R - 1) / R times 4 bytes a weight
and update, as a ring sends them. What is finished is remembered (``runs/benchmarks/diloco/ledger.jsonl``).
"""

import argparse
import asyncio
import hashlib
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from rich.table import Table
from transformers import AutoModelForCausalLM

from benchmarks.learning.learning import ROOT, interval
from benchmarks.lib.common import CONSOLE, command_line, machine, parser, save
from examples.rl_loop import Sampler, pass_rate, update
from planner.estimators.bootstrap import seeds_difference
from rewards import build_reward
from rl.config.learner import DilocoSync
from rl.config.load import load_config
from rl.config.schema import Config
from rl.engines.actors import engine_config
from rl.evaluation.held_out import EVAL_GROUP_IDS
from rl.learner.diloco.link import Meeting
from rl.learner.diloco.replica import Replica
from rl.learner.publishing import WeightPublisher
from rl.run.prepare.inputs import Prepared, prepare
from rl.stream.plans import make_group_id
from rollout.engine import InferenceEngine, build_engine
from rollout.types import RolloutGroup
from rollout.vllm_env import prepare_process
from rollout.weight_directory import WeightDirectory

REPLICAS = 2
AWAY = 6
STREAMING = DilocoSync(every=4, fragments=2, overlap=1, mixing=0.5, outer_lr=0.4, outer_momentum=0.9, bits=8)
ARMS: dict[str, DilocoSync | None] = {
    "gradients": None,
    "streaming": STREAMING,
    "mean": DilocoSync(every=4, outer_lr=1.0, outer_momentum=0.0),
    "lost": STREAMING,
}
"""``streaming`` has the paper's outer rate, momentum and mixing; the others are compared with the first."""
HEADLINE = "streaming"
LIMITS = {"bytes_ratio": 0.05, "pass_at_1_difference": -0.02}
"""Written down before the first run: at most this share of plain data parallel's bytes, and over seeds at
most this much less held-out pass@1, at equal steps."""
SAMPLES = 8
"""Of each held-out problem."""


class Trainer:
    """One policy and its optimizer; with ``sync`` a replica."""

    def __init__(self, config: Config, prepared: Prepared, sync: DilocoSync | None) -> None:
        learner = config.learner
        self.config = config
        self.policy = AutoModelForCausalLM.from_pretrained(prepared.model_path, dtype=torch.float32)
        parameters = self.policy.parameters()
        self.optimizer = torch.optim.AdamW(parameters, learner.lr, learner.betas, weight_decay=0)
        self.replica = None
        if sync is not None:
            engine = SimpleNamespace(module=self.policy)
            self.replica = Replica(engine, sync, last_batch=config.run.steps, timeout_s=120.0)

    def train(self, groups: list[RolloutGroup]) -> float:
        """The updates of a share; returns their mean loss."""
        count = self.config.learner.updates_per_batch
        shares = [share for first in range(count) if (share := groups[first::count])]
        return float(np.mean([update(self.policy, self.optimizer, s, self.config)[0] for s in shares]))


class Team:
    """Trainers that are one learner: one alone, or replicas and their link."""

    def __init__(self, config: Config, prepared: Prepared, sync: DilocoSync | None) -> None:
        self._make = lambda: Trainer(config, prepared, sync)
        self.trainers = [self._make() for _ in range(1 if sync is None else REPLICAS)]
        self._linked = sync is not None
        self._epoch = 0
        self._threads = ThreadPoolExecutor(REPLICAS)
        self.sent_bytes = 0.0
        """By the first replica."""
        self.meet()

    def meet(self) -> None:
        """Form the link among those who are there."""
        if not self._linked:
            return
        self._epoch += 1
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]

        def join(index: int) -> None:
            meeting = Meeting(
                address="127.0.0.1", port=port, index=index, size=len(self.trainers), epoch=self._epoch
            )
            replica = self.trainers[index].replica
            assert replica is not None
            replica.join(meeting, {})

        list(self._threads.map(join, range(len(self.trainers))))

    def lose(self) -> None:
        """The last one is gone."""
        self.trainers.pop()
        self.meet()

    def bring_back(self) -> None:
        """A new one, with empty moments."""
        self.trainers.append(self._make())
        self.meet()

    def train(self, groups: list[RolloutGroup]) -> float:
        """A batch, divided by whole groups; returns the mean loss."""
        count = len(self.trainers)
        losses = [trainer.train(groups[i::count]) for i, trainer in enumerate(self.trainers)]
        if self._linked:
            figures = list(self._threads.map(lambda t: t.replica.after_batch(), self.trainers))
            self.sent_bytes += figures[0]["learner/sync_bytes"]
        return float(np.mean(losses))


class Bench:
    """The engine that all arms share, and the held-out problems."""

    def __init__(self, config: Config, prepared: Prepared) -> None:
        self.config, self.prepared = config, prepared
        self._engine: InferenceEngine = build_engine(engine_config(config, prepared.model_path))
        reward = build_reward(prepared.task.reward_name, prepared.task.reward_args)
        self._sampler = Sampler(self._engine, reward, prepared.decode(), config)
        self._version = 0

    async def start(self) -> None:
        """Load the model."""
        await self._engine.start()

    async def stop(self) -> None:
        """Give it back."""
        await self._engine.stop()

    async def run(self, arm: str, seed: int) -> dict[str, Any]:
        """Train one arm from the base on, and evaluate it."""
        sampling = self.config.model_copy(update={"run": self.config.run.model_copy(update={"seed": seed})})
        self._sampler = Sampler(self._engine, self._sampler.reward, self._sampler.decode, sampling)
        team, directory = Team(self.config, self.prepared, ARMS[arm]), WeightDirectory.fresh()
        rng = np.random.default_rng(seed)
        rates, losses, tokens, started = [], [], 0, time.perf_counter()
        publisher: WeightPublisher | None = None
        for step in range(self.config.run.steps):
            if arm == "lost" and step == self.config.run.steps // 2:
                team.lose()
            if arm == "lost" and step == self.config.run.steps // 2 + AWAY:
                team.bring_back()
            if publisher is None:
                publisher = WeightPublisher(team.trainers[0].policy, gather=False, is_writer=True)
                await self._publish(publisher, team, directory.path)
            groups = await self._batch(step, rng)
            rates.append(pass_rate(groups))
            tokens += sum(len(r.completion.token_ids) for group in groups for r in group.rollouts)
            losses.append(team.train(groups))
            await self._publish(publisher, team, directory.path)
        found = await self.held_out()
        assert publisher is not None
        publisher.close()
        directory.remove()
        weights = sum(p.numel() for p in team.trainers[0].policy.parameters())
        updates = self.config.run.steps * self.config.learner.updates_per_batch
        ring = 2 * (REPLICAS - 1) / REPLICAS * 4 * weights * updates
        return {
            "arm": arm,
            "seed": seed,
            "pass_at_1": found,
            "sent_bytes": ring if ARMS[arm] is None else team.sent_bytes,
            "rollout_tokens": tokens,
            "reward_first_8": float(np.mean(rates[:8])),
            "reward_last_8": float(np.mean(rates[-8:])),
            "loss_last_8": float(np.mean(losses[-8:])),
            "rewards": [round(rate, 4) for rate in rates],
            "seconds": round(time.perf_counter() - started, 1),
        }

    async def _batch(self, step: int, rng: np.random.Generator) -> list[RolloutGroup]:
        stream, prompts = self.config.stream, self.prepared.train_prompts
        drawn = [prompts[i] for i in rng.choice(len(prompts), stream.prompts_per_step, replace=False)]
        temperature = self.config.rollout.temperature
        first = make_group_id(step, 0, 0)
        return await self._sampler.groups(drawn, stream.rollouts_per_prompt, temperature, first)

    async def _publish(self, publisher: WeightPublisher, team: Team, directory: Path) -> None:
        """The weights that engines serve: those of the one trainer, or outer ones."""
        self._version += 1
        replica = team.trainers[0].replica
        if replica is None:
            weights = publisher.publish(self._version, directory)
        else:
            with replica.outer_weights():
                weights = publisher.publish(self._version, directory)
        assert weights is not None, "only ranks that do not write return nothing"
        await self._engine.update_weights(weights)

    async def held_out(self) -> list[float]:
        """[problems] share of right answers among ``SAMPLES``, by the weights served now."""
        prompts = self.prepared.eval_prompts
        groups = await self._sampler.groups(prompts, SAMPLES, 1.0, EVAL_GROUP_IDS)
        return [group.num_correct / len(group.rollouts) for group in groups]


def main() -> None:
    args = _arguments()
    overrides = [f"run.steps={args.steps}", "rollout.cores=null", *args.overrides]
    config = load_config(args.config, overrides)
    prepared = prepare(config)
    prepare_process(engine_config(config, prepared.model_path))
    ledger = ROOT / "runs" / "benchmarks" / "diloco" / "ledger.jsonl"
    ledger.parent.mkdir(parents=True, exist_ok=True)
    identity = [args.config, overrides, prepared.model_path.name, repr(ARMS)]
    key = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:12]
    torch.set_num_threads(1)
    rows = asyncio.run(_rows(args, config, prepared, ledger, key))
    result = {
        "machine": machine(),
        "command": command_line(),
        "limits": LIMITS,
        "steps": args.steps,
        "rollouts_per_step": config.stream.prompts_per_step * config.stream.rollouts_per_prompt,
        "problems": len(prepared.eval_prompts),
        **_compared(rows, args.seeds, args.arms),
    }
    save("diloco", result, args=args)
    _show(result)


async def _rows(
    args: argparse.Namespace, config: Config, prepared: Prepared, ledger: Path, key: str
) -> list[dict[str, Any]]:
    """Every arm of every seed, from the ledger or trained now; the base first."""
    done = [json.loads(line) for line in ledger.read_text().splitlines()] if ledger.is_file() else []
    found = {(row["arm"], row["seed"]): row for row in done if row["key"] == key}
    names = [arm for arm in ARMS if arm in args.arms]
    # The headline first.
    order = [(arm, seed) for arms in (names[:2], names[2:]) for seed in args.seeds for arm in arms]
    missing = [one for one in [("base", 0), *order] if one not in found]
    if not missing:
        return list(found.values())
    bench = Bench(config, prepared)
    await bench.start()

    def note(row: dict[str, Any]) -> None:
        found[row["arm"], row["seed"]] = row
        with ledger.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row | {"key": key}) + "\n")
        CONSOLE.print(f"{row['arm']}, seed {row['seed']}: pass@1 {np.mean(row['pass_at_1']):.3f}")

    for arm, seed in missing:
        base = {"arm": arm, "seed": seed}
        note(base | {"pass_at_1": await bench.held_out()} if arm == "base" else await bench.run(arm, seed))
    await bench.stop()
    return list(found.values())


def _compared(rows: list[dict[str, Any]], seeds: list[int], arms: list[str]) -> dict[str, Any]:
    """Each arm, and against plain data parallel, paired by seed and problem; the headline at the top."""
    at = {(row["arm"], row["seed"]): row for row in rows}
    result: dict[str, Any] = {"base_pass_at_1": _rounded(np.mean(at["base", 0]["pass_at_1"])), "arms": {}}
    first = next(iter(ARMS))
    plain = np.stack([at[first, seed]["pass_at_1"] for seed in seeds])
    for arm, sync in ((arm, sync) for arm, sync in ARMS.items() if arm in arms):
        own = [at[arm, seed] for seed in seeds]
        passed = np.stack([row["pass_at_1"] for row in own])
        facts: dict[str, Any] = {
            "sync": "gradients" if sync is None else sync.model_dump(),
            "pass_at_1": _rounded(passed.mean()),
            "per_seed": [_rounded(one) for one in passed.mean(axis=1)],
            "bytes_ratio": _rounded(own[0]["sent_bytes"] / at[first, seeds[0]]["sent_bytes"], 5),
            "rollout_tokens": [row["rollout_tokens"] for row in own],
            "reward_first_8": [_rounded(row["reward_first_8"]) for row in own],
            "reward_last_8": [_rounded(row["reward_last_8"]) for row in own],
            "loss_last_8": [_rounded(row["loss_last_8"], 5) for row in own],
            "rewards": [row["rewards"] for row in own],
        }
        if arm != first and len(seeds) >= 3:
            facts["pass_at_1_difference"] = interval(seeds_difference(passed - plain))
        result["arms"][arm] = facts
    headline = result["arms"][HEADLINE]
    if "pass_at_1_difference" in headline:
        ratio, difference = headline["bytes_ratio"], headline["pass_at_1_difference"]
        result |= {"bytes_ratio": ratio, "pass_at_1_difference": difference}
        result["within_limits"] = {
            "bytes_ratio": bool(ratio <= LIMITS["bytes_ratio"]),
            "pass_at_1_difference": bool(difference["value"] >= LIMITS["pass_at_1_difference"]),
        }
    return result


def _rounded(value: Any, digits: int = 4) -> float:
    return round(float(value), digits)


def _show(result: dict[str, Any]) -> None:
    table = Table("arm", "each seed", "pass@1", "minus gradients", "bytes", "reward, last 8")
    for arm, facts in result["arms"].items():
        d = facts.get("pass_at_1_difference")
        table.add_row(
            arm,
            ", ".join(f"{value:.3f}" for value in facts["per_seed"]),
            f"{facts['pass_at_1']:.3f}",
            f"{d['value']:+.3f} [{d['low']:+.3f}, {d['high']:+.3f}]" if d else "",
            f"{facts['bytes_ratio']:.4f}",
            f"{np.mean(facts['reward_last_8']):.3f}",
        )
    CONSOLE.print(table)


def _arguments() -> argparse.Namespace:
    made = parser(__doc__ or "")
    made.add_argument("--config", default="quickstart")
    made.add_argument("--steps", type=int, default=32)
    made.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    made.add_argument("--arms", default=",".join(ARMS), help="comma-separated")
    made.add_argument("overrides", nargs="*", help="of the config")
    args = made.parse_args()
    args.arms = args.arms.split(",")
    if args.quick:
        args.steps, args.config, args.seeds = 16, "debug", [0]
    elif len(args.seeds) < 3:
        made.error("--seeds: an interval over seeds needs at least three")
    return args


if __name__ == "__main__":
    main()
