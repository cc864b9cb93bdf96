"""Files that a run's actors on other nodes read and write: are they there, as the driver sees them?"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rl.cluster.nodes import ClusterNode, cluster_nodes
from rl.cluster.placement import Placed
from rl.cluster.shared_files import Look, Needed, files_in, look_on, problem_on
from rl.config.choice import OWN_CODE
from rl.config.schema import Config
from rl.records.rundir import RunDir
from rl.run.fingerprint.code import source_file

AT_ONCE = 32
"""Nodes that are asked side by side."""


def check_node_files(
    config: Config,
    model_path: Path,
    run: RunDir,
    placed: Placed,
    *,
    nodes: Sequence[ClusterNode] | None = None,
    look: Look = look_on,
) -> None:
    """Look on every node that has a seat of the run; nothing to do where all of them are on one node.

    Engines read the base. Ranks read the base and code of the user's, and write into the run directory.
    Verifiers on Ray go wherever there is room, so every node must have a reward of the user's own.

    Raises:
        ValueError: naming the field, the node and the file.
    """
    nodes = cluster_nodes() if nodes is None else nodes
    if len(nodes) < 2:
        return
    ranks, engines = placed.nodes()
    of_base, of_ranks, of_verifiers = base_files(model_path), rank_files(config, run), verifier_files(config)

    def problem(node: ClusterNode) -> str | None:
        needed = [
            *([of_base] if node.id in ranks | engines else ()),
            *(of_ranks if node.id in ranks else ()),
            *of_verifiers,
        ]
        return problem_on(node.id, needed, name=node.address, look=look)

    with ThreadPoolExecutor(AT_ONCE) as looking:
        for found in looking.map(problem, nodes):
            if found is not None:
                raise ValueError(found)


def engine_problem(model_path: Path, node: ClusterNode) -> str | None:
    """The first thing that an engine lacks on a node that joined, in words; None if it can work there."""
    return problem_on(node.id, [base_files(model_path)], name=node.address)


def base_files(model_path: Path) -> Needed:
    """The base."""
    return Needed(
        files=files_in(model_path.absolute()),
        who="engines and learner ranks load the base from it",
        fix="model: put the base on storage that all nodes share, or under the same path on each (model.path,"
        " or T2RL_CACHE for one that T2RL makes)",
    )


def rank_files(config: Config, run: RunDir) -> list[Needed]:
    """Files that learner ranks need beside the base."""
    seen = Needed(
        files={str(run.config.absolute()): run.config.stat().st_size},
        who="learner ranks write checkpoints and the model there",
        fix="run.dir: give a directory on storage that all nodes share",
    )
    algorithm, learner = config.algorithm, config.learner
    parts = (algorithm.advantage, algorithm.mask, algorithm.likelihood, *algorithm.shaping)
    named = {f"algorithm: {part.name}": part.name for part in parts}
    named |= {f"learner: {part.name}": part.name for part in (learner.optimizer, learner.schedule)}
    return [seen, *_own_code(named, who="learner ranks run it")]


def verifier_files(config: Config) -> list[Needed]:
    """Files that verifiers on Ray's actors need."""
    if config.verifiers.placement == "local":
        return []
    reward = str(getattr(config.task, "reward", ""))
    return _own_code({f"task.reward: {reward}": reward}, who="verifiers.placement=ray runs it on any node")


def _own_code(named: dict[str, str], *, who: str) -> list[Needed]:
    """Files of the user's own code among what settings name; modules are the environment's."""
    found = {
        fix: file
        for fix, target in named.items()
        if OWN_CODE.fullmatch(target) and target.rpartition(":")[0].endswith(".py")
        if (file := source_file(target)) is not None
    }
    return [
        Needed(
            files={str(file.absolute()): file.stat().st_size},
            who=who,
            fix=f"{fix} must lie at the same path on every node",
        )
        for fix, file in found.items()
    ]
