"""Where a run begins: its directory, the checkpoint that it goes on from, and whether both still fit the
config."""

import logging
import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rl.config.load import dump_config
from rl.config.resume import ResumeConfig
from rl.config.schema import Config
from rl.config.stages import StageConfig
from rl.learner.shape import changes, refuse_other_shape, run_shape
from rl.records.rundir import RunDir
from rl.records.storage import require_writable, write_whole
from rl.run.base_files import keep_base_files
from rl.run.checkpoint import Checkpoint, CheckpointStore
from rl.run.fingerprint.fingerprint import Difference, Fingerprint, check_accept, differences, refuse
from rollout.checkpoint_shapes import checkpoint_shapes

logger = logging.getLogger(__name__)

WEIGHT_BYTES = 4
ADAM_COPIES = 3
"""The weights and two moments."""

OTHER_VOCABULARY = (
    "cannot be accepted: the same ids would mean other texts to the weights; train an exported model instead"
)
IN_THE_CHECKPOINT = (
    "cannot be accepted: the checkpoint's own value would be used; start a new run from an exported model"
)
OTHER_BASE_UNDER_ADAPTER = (
    "cannot be accepted with learner.lora.push=adapter: engines would add the adapter to another base"
)


@dataclass(frozen=True, slots=True)
class Start:
    """The directory of a run and, for a resume, the checkpoint."""

    run: RunDir
    checkpoint: Checkpoint | None = None

    def described(self, name: str) -> str:
        """For the first line that a run prints."""
        return describe(
            self.run.path, name, None if self.checkpoint is None else f"step {self.checkpoint.step}"
        )


def describe(path: Path, name: str, resumed: str | None) -> str:
    """``run directory: runs/mine-2 (mine is taken; ...)``."""
    if resumed is not None:
        return f"run directory: {path} (going on from {resumed})"
    if path.is_dir():
        return f"run directory: {path} (from its start: it holds no checkpoint yet)"
    suffixed = path.name != name
    return f"run directory: {path}" + (
        f" ({name} is taken; resume=auto goes on with it instead)" if suffixed else ""
    )


def choose_start(config: Config) -> Start:
    """The run directory and the checkpoint that ``resume`` asks for; nothing is opened or created but
    ``run.dir`` itself.

    Raises:
        ValueError: ``run.dir`` cannot be written, the checkpoint named is none or of more steps than
            ``run.steps`` or of another learner or cannot be read, or another process holds the run.
    """
    run = choose_run(config.run.dir, config.run.name, config.resume)
    if config.resume.never or not run.path.is_dir():
        return Start(run)
    store = CheckpointStore(run, keep=config.checkpoint.keep)
    if config.resume.auto:
        checkpoint = store.require_latest()
    else:
        path = Path(config.resume.checkpoint).resolve()
        checkpoint = next((c for c in store.all() if c.path.resolve() == path), None)
        if checkpoint is None:
            raise ValueError(
                f"resume: {path} is not a complete checkpoint (a directory checkpoints/step-00000000 of a"
                " run)"
            )
        if (found := checkpoint.damage()) is not None:
            raise ValueError(
                f"resume: {path} is damaged: {found}. resume=auto goes on from the newest whole checkpoint"
            )
    if checkpoint is not None:
        if checkpoint.step > config.run.steps:
            raise ValueError(
                f"run.steps: {config.run.steps}, but {checkpoint.path} has {checkpoint.step} steps behind it;"
                " raise run.steps, or resume from an earlier checkpoint (t2rl export writes a model of any"
                " of them)"
            )
        shape = run_shape(config.learner, config.algorithm, world_size=config.learner.num_ranks)
        if changed := changes(refuse_other_shape(checkpoint.learner_dir, shape), shape):
            logger.warning("%s: the learner's state is divided anew: %s", checkpoint.path, changed)
        checkpoint.load_state()
    return Start(run, checkpoint)


def choose_run(parent: str, name: str, resume: ResumeConfig) -> RunDir:
    """The directory that a run or a stage will work in. It exists already only for a resume.

    Raises:
        ValueError: It cannot be written, or another process holds it, or ``resume`` names a path in no run.
    """
    if not (resume.never or resume.auto):
        run = RunDir.containing(Path(resume.checkpoint))
    else:
        require_writable(Path(parent), field="run.dir")
        latest = RunDir.latest(Path(parent), name) if resume.auto else None
        run = latest or RunDir(RunDir.free(Path(parent), name))
    if run.path.is_dir():
        run.require_free()
        require_writable(run.path, field="run.dir")
    return run


def check_fingerprint(
    old: Fingerprint | None,
    new: Fingerprint,
    *,
    config: Config | StageConfig,
    run: RunDir,
    final: Sequence[str] = (),
) -> None:
    """Refuse what differs from the run that wrote the checkpoint and is not in ``resume.accept``; say what
    was accepted.

    ``final``: settings that cannot be accepted, because the checkpoint's own value would be used all the
    same.

    Raises:
        ConfigError: Naming each difference, with old and new.
    """
    accept = config.resume.accept
    check_accept(accept, new)
    if old is None:
        logger.warning(
            "%s was begun by T2RL 0.1, which kept no fingerprint: nothing was compared before going on"
            " with it",
            run.path,
        )
        return
    found = differences(old, new)
    saved = {
        d.name: IN_THE_CHECKPOINT
        for d in found
        if any(d.name == n or d.name.startswith(f"{n}.") for n in final)
    }
    refuse(found, accept=accept, run=run.path, final=saved | _final(found, config))
    for difference in found:
        logger.warning("resume.accept: %s %s", difference.name, difference.text)


def _final(found: Sequence[Difference], config: Config | StageConfig) -> dict[str, str]:
    lora = config.learner.lora if isinstance(config, Config) else None
    final = {d.name: OTHER_VOCABULARY for d in found if d.name == "tokenizer" and "vocabulary" in d.parts}
    if lora is not None and lora.pushes_adapter:
        final |= {d.name: OTHER_BASE_UNDER_ADAPTER for d in found if d.name == "base"}
    return final


def stream_changed(old: Fingerprint | None, new: Fingerprint) -> bool:
    """True if plans, curriculum and statistics of the checkpoint are about other prompts or another
    curriculum."""
    if old is None:
        return False
    return any(
        d.name == "data" or d.name.partition(".")[0] in ("curriculum", "curriculum_code")
        for d in differences(old, new)
    )


def open_run(run: RunDir, config: Config | StageConfig, fingerprint: Fingerprint, *, base: Path) -> RunDir:
    """Make the directory ours, and write down what the run is: config, fingerprint, the base's files.

    Raises:
        RunDirBusy: Another process was faster.
    """
    opened = run.open() if run.path.is_dir() else RunDir.create(run.path.parent, config.run.name)
    write_whole(opened.config, dump_config(config).encode())
    keep_base_files(base, opened.base)
    fingerprint.write(opened.fingerprint)
    return opened


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Bytes that a run may put on its disk."""

    checkpoint: int
    """One checkpoint."""
    checkpoints: int
    """That are there at once: one is written while the others stay."""
    model: int
    rollouts: int
    """The bound of ``records.max_mib`` on both folders of texts; most runs stay far below it."""

    @property
    def least(self) -> int:
        """Checkpoints and the model, without the texts."""
        return self.checkpoint * self.checkpoints + self.model


def room_of(config: Config, base: Path) -> Room:
    """Count from the shapes of the base's tensors."""
    numbers = sum(math.prod(shape) for shape in checkpoint_shapes(base).values())
    records = config.records
    return Room(
        # float32 weights, and Adam's two moments of what is trained.
        checkpoint=numbers * WEIGHT_BYTES * (1 if config.learner.lora is not None else ADAM_COPIES),
        checkpoints=config.checkpoint.keep + 1 + config.checkpoint.keep_best,
        model=numbers * WEIGHT_BYTES,
        rollouts=0 if records.rollouts == "none" else 2 * (records.max_mib << 20),
    )


def warn_about_room(run: RunDir, config: Config, base: Path) -> None:
    """Say so if the disk has less room than the checkpoints of this run and its model will take."""
    room, free = room_of(config, base), shutil.disk_usage(run.path).free
    if room.least > free:
        logger.warning(
            "%s: %.1f GB are free; %d checkpoints (one is written while the others stay) of about %.1f GB and"
            " the model may take %.1f GB; lower checkpoint.keep, or choose another disk with run.dir",
            run.path,
            free / 1e9,
            room.checkpoints,
            room.checkpoint / 1e9,
            room.least / 1e9,
        )
