"""Everything that can be wrong in a user's input, found before any actor starts: model, tokenizer, prompts,
reward."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from curricula import check_prompts
from rewards import build_reward, check_reward
from rewards.user_functions.callables import CallableReward
from rl.batch.demonstrations import Demonstrations, tokenise_demonstrations
from rl.cluster.gpus import require_gpus
from rl.config.curriculum_slots import curriculum_slots
from rl.config.hub import model_directory
from rl.config.model import PackagedModelConfig, PathModelConfig, RecipeModelConfig, trusts_code
from rl.config.schema import Config
from rl.learner.preflight import check_learner
from rl.pretrain.worked_solutions import with_worked_solutions
from rl.records.advisories import resolve_advisories
from rl.run.prepare.battery_trial import Battery
from rl.run.prepare.overlap_check import OverlapCheck
from rl.run.prepare.own_parts import check_own_parts
from rl.run.prepare.preflight import check_model, check_prompt_ids, load_tokenizer, slow_formats
from rl.run.prepare.references import References
from rl.run.prepare.reward_trial import is_own, try_reward
from rl.run.prepare.suites import PreparedSuite, prepare_suites
from rl.scorers.reward_model import check_reward_model
from rl.scorers.reward_weights import make_weigh
from rl.scorers.verifiers import pool_options
from rl.tasks import Task, build_task
from rl.tasks.encoding import Decode, make_decode
from rl.tasks.prompt_budget import PromptBudget, final_budget, prompt_budget
from rollout.types import Prompt, Reward
from rollout.vllm_args import check_engine_args


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A checked run: what to train, on what, judged how."""

    model_path: Path
    tokenizer: Any
    task: Task
    train_prompts: list[Prompt]
    eval_prompts: list[Prompt]
    suites: tuple[PreparedSuite, ...] = ()
    """More held-out problems, and text (``evaluation.suites``)."""
    demonstrations: Demonstrations | None = None
    """Demonstrations of the train prompts, where the objective asks for them."""
    budget: PromptBudget | None = None
    """Fills ``{budget}`` into train prompts, where the task's template has it; held-out prompts come
    filled."""
    references: References = field(default_factory=References)
    battery: Battery = field(default_factory=Battery)
    """Verdicts of a reward of the user's own on answers that must not count as right."""
    stops: tuple[str, ...] = ()
    """``rollout.stop``."""
    notes: tuple[str, ...] = ()
    """Notes that the user should read before training."""

    def decode(self) -> Decode:
        """Token ids to text as rewards read it; reads only, so what is trained is never re-tokenised."""
        return make_decode(self.tokenizer, self.task.thinking_tags, self.stops)


def prepare(
    config: Config,
    *,
    references: References | None = None,
    gpus_are_here: bool = True,
    located: Callable[[Path], None] | None = None,
) -> Prepared:
    """Build or find the base, tokenise the prompts of both splits, try the reward.

    Args:
        config: Of the run.
        references: Judges the rows' own answers, and says which train prompts are left; None takes them on
            trust.
        gpus_are_here: False for a plan that is made elsewhere: this machine's GPUs are not looked for.
        located: told where the base is, before anything is read from it.

    Raises:
        ValueError: in the user's words: which file, line or field, and what to do.
    """
    _check_settings(config, gpus_are_here=gpus_are_here)
    model_path = locate_model(config)
    if located is not None:
        located(model_path)
    tokenizer, notes = _checked_base(config, model_path)
    limits = {"max_model_len": config.rollout.max_model_len, "max_tokens": config.rollout.max_tokens}
    task = build_task(config.task, tokenizer, **limits)
    reward = build_reward(task.reward_name, task.reward_args)
    make_weigh(config, task)
    train_prompts, eval_prompts = _load_splits(config, task)
    fresh = references is not None and references.previous is None
    suites = prepare_suites(config, tokenizer)
    overlaps = _overlaps(config, task, train_prompts, eval_prompts, suites, refuse=fresh)
    notes += [*getattr(task, "notes", ()), *overlaps]
    prompts = [*train_prompts, *eval_prompts, *(prompt for suite in suites for prompt in suite.prompts)]
    check_prompt_ids(model_path, prompts, trust=trusts_code(config.model))
    battery = _check_rewards(config, task, reward, train_prompts, eval_prompts)
    if references is not None:
        train_prompts = references.usable(config, task, reward, train_prompts, eval_prompts)
        notes += references.notes
    per_step = config.stream.prompts_per_step
    check_prompts(curriculum_slots(config), train_prompts, prompts_per_step=per_step)
    budget = prompt_budget(config, tokenizer, [*train_prompts, *eval_prompts])
    if budget is not None:
        eval_prompts = [budget(prompt, final_budget(config)) for prompt in eval_prompts]
    train_prompts, demonstrations = _demonstrations(config, train_prompts, tokenizer)
    return Prepared(
        model_path=model_path,
        tokenizer=tokenizer,
        task=task,
        train_prompts=train_prompts,
        eval_prompts=eval_prompts,
        suites=suites,
        demonstrations=demonstrations,
        budget=budget,
        stops=config.rollout.stop,
        references=references or References(),
        battery=battery,
        notes=(*notes, *batch_repeats(per_step, len(train_prompts))),
    )


def _check_settings(config: Config, *, gpus_are_here: bool) -> None:
    """Check what needs neither base nor task; ValueError in the user's words."""
    resolve_advisories(config.run.advisories)
    if gpus_are_here:
        require_gpus(config)
    check_own_parts(config)
    if config.rollout.engine_args:
        check_engine_args(config.rollout.engine_args)


def _checked_base(config: Config, model_path: Path) -> tuple[Any, list[str]]:
    """Return the base's tokenizer, and notes; ValueError where engine or learner cannot take the base."""
    tokenizer = load_tokenizer(model_path, trust=trusts_code(config.model))
    notes = [*slow_formats(config), *check_model(config, model_path, tokenizer)]
    check_learner(config, model_path)
    return tokenizer, notes


def _load_splits(config: Config, task: Task) -> tuple[list[Prompt], list[Prompt]]:
    """Return the prompts of training and of evaluation, both with at least one."""
    train = task.load("train")
    held_out = task.load(config.evaluation.split, config.evaluation.num_prompts)
    if not train or not held_out:
        empty = "train" if not train else config.evaluation.split
        raise ValueError(f"task: the {empty} split is empty; give it rows, or change evaluation.split")
    return train, held_out


def _overlaps(
    config: Config,
    task: Task,
    train: list[Prompt],
    held_out: list[Prompt],
    suites: tuple[PreparedSuite, ...],
    *,
    refuse: bool,
) -> list[str]:
    """Return notes on held-out problems that stand in the train split too, or nearly; ValueError where they
    are the same and a run is to ``refuse`` that."""
    check = OverlapCheck(config.task, task, train)
    found = list(check.held_out(held_out, refuse=refuse))
    found += [note for suite in suites for note in check.suite(suite, refuse=refuse)]
    return found + list(check.repeats())


def _check_rewards(
    config: Config, task: Task, reward: Reward, train: list[Prompt], held_out: list[Prompt]
) -> Battery:
    """Check that the reward can judge the prompts; try it where it is the user's own code."""
    check_reward(reward, [*train, *held_out])
    battery = Battery()
    if is_own(task.reward_name, task.reward_args):
        options = pool_options(config, task.reward_name, task.reward_args)
        abstains = any(isinstance(one, CallableReward) for one in (reward, *getattr(reward, "heads", ())))
        battery = try_reward(task.reward_name, task.reward_args, train, options, may_abstain=abstains)
    if config.reward_model is not None:
        check_reward_model(config.reward_model)
    return battery


def _demonstrations(
    config: Config, prompts: list[Prompt], tokenizer: Any
) -> tuple[list[Prompt], Demonstrations | None]:
    """Return the train prompts with their worked solutions, and these as tokens; None if none are asked."""
    asked = config.algorithm.demonstrations
    if asked is None:
        return prompts, None
    solved = with_worked_solutions(prompts, config.task, asked.field)
    tokens = tokenise_demonstrations(solved, tokenizer, asked, max_model_len=config.rollout.max_model_len)
    return solved, tokens


def batch_repeats(prompts_per_step: int, num_prompts: int) -> list[str]:
    """Return a note where one batch needs more prompts than there are."""
    if prompts_per_step <= num_prompts:
        return []
    return [
        f"stream.prompts_per_step={prompts_per_step} is more than the {num_prompts} train prompts: a batch"
        " holds prompts several times"
    ]


class HasModel(Protocol):
    """A run's config, or a stage's."""

    @property
    def model(self) -> RecipeModelConfig | PathModelConfig | PackagedModelConfig:
        """The base."""
        ...


def locate_model(config: HasModel) -> Path:
    """The directory of the base: built from its recipe or converted (or found in the cache), or what the
    config names."""
    if config.model.kind == "recipe":
        from rl.pretrain.cache import build_base

        return build_base(config.model.recipe)
    if config.model.kind == "package":
        from rl.pretrain.packaged import convert_packaged

        return convert_packaged(config.model)
    return model_directory(config.model.path, revision=config.model.revision)
