"""The held-out suites of a run, read, tokenised and checked before any actor starts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rewards import build_reward, check_reward
from rl.config.schema import Config
from rl.config.suites import PACKAGED, SuiteConfig
from rl.evaluation.likelihood import Passage
from rl.evaluation.suites.packaged import TEXT, packaged_file
from rl.evaluation.suites.task import SuiteTask, shots_of, suite_file
from rl.tasks import Task, build_task
from rl.tasks.encoding import added_tokens, bare_ids
from rollout.types import Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedSuite:
    """One suite: problems with their task, or passages of text."""

    name: str
    config: SuiteConfig
    task: Task | None = None
    prompts: Sequence[Prompt] = ()
    passages: Sequence[Passage] = ()
    stop: tuple[str, ...] = ()
    """Texts that end its completions, beside ``rollout.stop``."""


def prepare_suites(config: Config, tokenizer: Any) -> tuple[PreparedSuite, ...]:
    """Every suite of ``evaluation.suites``.

    Raises:
        ValueError: naming the suite, and what is wrong with its files, lengths or reward.
    """
    found = []
    for name, suite in config.evaluation.suites.items():
        try:
            found.append(
                _text(config, name, suite, tokenizer)
                if suite.text is not None
                else _problems(config, name, suite, tokenizer)
            )
        except ValueError as error:
            raise ValueError(f"evaluation.suites.{name}: {error}") from error
    return tuple(found)


def _problems(config: Config, name: str, suite: SuiteConfig, tokenizer: Any) -> PreparedSuite:
    task, split, limit = _task(config, suite, tokenizer)
    prompts = task.load(split, limit)
    if not prompts:
        raise ValueError(f"the {split} split is empty; give it rows, or another split")
    check_reward(build_reward(task.reward_name, task.reward_args), prompts)
    beyond = [one for one in suite.stop_token_ids if one >= len(tokenizer)]
    if beyond:
        raise ValueError(f"stop_token_ids: {beyond[0]} is no token of the model's {len(tokenizer)}")
    stop = getattr(task, "stop", ()) if suite.stop is None else suite.stop
    return PreparedSuite(name=name, config=suite, task=task, prompts=prompts, stop=stop)


def _task(config: Config, suite: SuiteConfig, tokenizer: Any) -> tuple[Task, Any, int]:
    rollout = config.rollout
    max_tokens = suite.max_tokens or rollout.max_tokens
    if suite.task is not None:
        task = build_task(suite.task, tokenizer, max_model_len=rollout.max_model_len, max_tokens=max_tokens)
        return task, suite.split, suite.num_prompts
    assert suite.named is not None
    file = Path(suite.file).expanduser() if suite.file else packaged_file(suite.named)
    if file is None:
        suite_file(suite.named, Path())  # names the file that is wanted, or says that there is no such suite
        raise ValueError(f"{suite.named} is read from a file; set file")
    room = rollout.max_model_len - max_tokens
    if room < 1:
        raise ValueError(
            f"max_tokens {max_tokens} leaves no room for a prompt in"
            f" rollout.max_model_len={rollout.max_model_len}"
        )
    given = Path(suite.shots_file).expanduser() if suite.shots_file else None
    shots = shots_of(suite.named, suite.shots, file=given, beside=file.parent)
    limit = suite.num_prompts
    task = SuiteTask(suite.named, file, tokenizer, max_prompt_tokens=room, limit=limit, shots=shots)
    return task, "test", limit


def _text(config: Config, name: str, suite: SuiteConfig, tokenizer: Any) -> PreparedSuite:
    """Passages that fit into the engine; longer ones keep their beginning, to the last token that fits."""
    path = TEXT if suite.text == PACKAGED else Path(str(suite.text)).expanduser()
    if not path.is_file():
        raise ValueError(f"text: {path}: no such file; give a text file, or {PACKAGED}")
    texts = [part.strip() for part in path.read_text(encoding="utf-8").split("\n\n") if part.strip()]
    if not texts:
        raise ValueError(f"text: {path} is empty")
    texts = texts[: suite.num_prompts]
    front, _ = added_tokens(tokenizer)
    room = config.rollout.max_model_len - 1
    passages = []
    for number, (text, ids) in enumerate(zip(texts, bare_ids(tokenizer, texts), strict=True)):
        whole = (*front, *ids)[:room]
        kept = text if len(front) + len(ids) <= room else tokenizer.decode(whole[len(front) :])
        if len(whole) < 2:
            raise ValueError(f"text: passage {number} of {path} has fewer than two tokens")
        passages.append(Passage(id=f"{name}/{number}", text=kept, token_ids=whole))
    _require_readable(tokenizer, texts, passages, path)
    return PreparedSuite(name=name, config=suite, passages=passages)


def _require_readable(tokenizer: Any, texts: Sequence[str], passages: Sequence[Passage], path: Path) -> None:
    """Refuse a tokenizer that does not know the text's letters: a likelihood of unknown tokens says
    nothing."""
    unknown = tokenizer.unk_token_id
    lost = unknown is not None and any(unknown in passage.token_ids for passage in passages)
    sample = tokenizer.decode(bare_ids(tokenizer, texts[:1])[0])
    if lost or len(sample.replace(" ", "")) < 0.9 * len(texts[0].replace(" ", "")):
        raise ValueError(
            f"text: the model's tokenizer cannot write the text of {path} (it begins {sample[:40]!r}); use a"
            " text in its vocabulary"
        )
