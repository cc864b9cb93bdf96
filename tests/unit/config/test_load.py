"""Composition, overrides, and the words in which a wrong one is refused."""

import pytest

from rl.config.curriculum import CurriculumConfig
from rl.config.load import ConfigError, load_config
from rl.config.overrides import spell
from rl.config.sections import RolloutConfig, RunConfig


def refused(*overrides: str, name: str = "quickstart") -> str:
    with pytest.raises(ConfigError) as error:
        load_config(name, list(overrides))
    return str(error.value)


def test_values_and_presets_override_in_order() -> None:
    config = load_config(
        "quickstart", ["learner.lr=1e-3", "stream.max_staleness=0", "algorithm=dr_grpo", "learner.lr=2e-3"]
    )
    assert (config.learner.lr, config.stream.max_staleness, config.algorithm.advantage.name) == (
        2e-3,
        0,
        "dr_grpo",
    )


def test_a_field_that_no_yaml_names_can_be_set() -> None:
    assert load_config("quickstart", ["resume=auto"]).resume.auto


def test_any_value_can_be_spelled_as_an_override() -> None:
    odd = {"text": 'a, b: "c"', "share": 0.5, "on": True, "off": None}
    args = {"gcd": ({"min_value": 20, "max_value": 299},), "chain_sum": (odd,)}
    assert load_config("quickstart", [f"task.level_args={spell(args)}"]).task.level_args == args


@pytest.mark.parametrize("spelled", ["knapsack+mixed", "[knapsack,mixed]"])
def test_curricula_stack_by_plus_or_list(spelled: str) -> None:
    curriculum = load_config("quickstart", [f"curriculum={spelled}"]).curriculum
    assert curriculum.allocator is not None and curriculum.allocator.name == "knapsack"
    assert curriculum.verdict is not None and curriculum.verdict.name == "mixed"
    assert curriculum.name == "knapsack+mixed"


def test_stacked_presets_that_fill_one_slot_are_refused(tmp_path) -> None:
    (tmp_path / "curriculum").mkdir()
    (tmp_path / "curriculum" / "roomy.yaml").write_text(
        "allocator: {name: knapsack, args: {floor: 4, cap: 64}}\n"
    )
    (tmp_path / "mine.yaml").write_text("defaults: [quickstart, _self_]\n")
    message = refused("curriculum=knapsack+roomy", name=str(tmp_path / "mine.yaml"))
    assert "knapsack and roomy both set curriculum.allocator.args" in message
    alone = load_config(str(tmp_path / "mine.yaml"), ["curriculum=roomy"]).curriculum.allocator
    assert alone is not None and alone.args == {"floor": 4, "cap": 64}


def test_a_users_file_starts_from_a_shipped_run(tmp_path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("defaults: [quickstart, override algorithm: dr_grpo, _self_]\nrun: {steps: 7}\n")
    config = load_config(str(file), ["run.name=other"])
    assert (config.run.steps, config.run.name, config.algorithm.name, config.learner.cores) == (
        7,
        "other",
        "dr_grpo",
        (1,),
    )


def test_a_users_file_without_defaults_takes_presets_from_the_command_line(tmp_path) -> None:
    file = tmp_path / "bare.yaml"
    file.write_text("run: {steps: 7}\n")
    assert "model: missing" in refused("task=tiny", name=str(file))
    config = load_config(str(file), ["task=tiny", "model=tiny", "curriculum=mixed"])
    assert config.run.steps == 7 and config.algorithm.importance.name == "none"
    assert config.curriculum.verdict is not None


def test_unknown_config_suggests_the_nearest() -> None:
    message = refused(name="quikstart")
    assert "Did you mean 'quickstart'?" in message and "debug, dpo_quickstart, gsm8k, " in message
    assert "no such file" in refused(name="nowhere.yaml")


def test_unknown_field_suggests_the_nearest_and_lists_the_choices() -> None:
    message = refused("learner.lrr=1e-3")
    assert message.startswith("learner.lrr: no such field. Did you mean 'lr'?") and "zero_stage" in message
    assert "Did you mean 'learner.lr'?" in refused("lr=1e-3")
    assert "Did you mean 'hidden_size'?" in refused("model.recipe.hiden_size=32")


def test_unknown_field_in_a_file_reads_like_one_on_the_command_line(tmp_path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("defaults: [quickstart, _self_]\nmodel: {recipe: {hiden_size: 32}}\nlearner: {lrr: 1}\n")
    message = refused(name=str(file))
    assert "model.recipe.hiden_size: no such field. Did you mean 'hidden_size'?" in message
    assert "learner.lrr: no such field. Did you mean 'lr'?" in message


def test_unknown_preset_lists_the_choices() -> None:
    message = refused("curriculum=knapsak")
    assert (
        "Did you mean 'knapsack'?" in message
        and "Choices: " in message
        and all(f" {name}," in message for name in ("knapsack", "mixed", "uniform"))
    )
    assert "only curriculum presets stack" in refused("algorithm=[grpo,dr_grpo]")


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("learner.lr=fast", "learner.lr: input should be a valid number"),
        ("learner.zero_stage=7", "learner.zero_stage: 7 is none of 0, 1, 2, 3"),
        ("tracker=wandbb", "Did you mean 'wandb'?"),
        ("model.kind=foo", "model.kind: 'foo' is none of recipe, path, package"),
        ("run.name=2026", "quote it to keep it text"),
        ("evaluation.ks=1,8", "a list, evaluation.ks=[...]"),
        ("learner.lr", "an override is key=value"),
        ("run.name=a(b", "cannot read this override"),
        ("resume=atuo", "none of never, auto"),
        ("resume.accpt=[data]", "Did you mean 'accept'?"),
        ("run.name=a/b", "run.name: 'a/b' is no name of a directory"),
        ("run.name=../x", "run.name: '../x' is no name of a directory"),
        ("run.name=..", "run.name: '..' is no name of a directory"),
        ("run.name=", "run.name: is empty; give it a name"),
        ("run.name=' x'", "begins or ends with a space"),
        (f"run.name={'n' * 200}", "has 200 characters; shorten it"),
        ("run.dir=", "run.dir: "),
        ("model.recipe.name=../x", "model.recipe.name: '../x' is no name"),
        ("hydra.run.dir=x", "Hydra's own settings"),
        ("~model", "model: missing"),
    ],
)
def test_wrong_overrides_are_refused_in_our_words(override: str, words: str) -> None:
    assert words in refused(override)


def test_a_preset_or_value_that_is_taken_out_leaves_the_defaults() -> None:
    without = load_config("quickstart", ["~rollout", "~curriculum", "~run.steps"])
    assert (
        without.rollout == RolloutConfig()
        and without.curriculum == CurriculumConfig()
        and without.run.steps == RunConfig().steps
    )


def test_a_mandatory_value_is_asked_for_by_name() -> None:
    assert refused("model=path") == "model.path: missing; set model.path=..."


def test_broken_yaml_names_the_file(tmp_path) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text("run: {steps: 3\n")
    assert "broken.yaml" in refused(name=str(file))


def test_a_plain_resume_is_short_for_its_checkpoint_and_leaves_room_for_what_is_accepted(tmp_path) -> None:
    asked = load_config("quickstart", ["resume=auto", "resume.accept=[data,learner.lr]"]).resume
    assert asked == load_config("quickstart", ["resume.accept=[data,learner.lr]", "resume=auto"]).resume
    assert (asked.checkpoint, asked.accept) == ("auto", ("data", "learner.lr"))
    file = tmp_path / "mine.yaml"
    file.write_text("defaults: [quickstart, _self_]\nresume: runs/a/checkpoints/step-00000004\n")
    assert load_config(str(file)).resume.checkpoint == "runs/a/checkpoints/step-00000004"
    kept = load_config(str(file), ["resume.accept=[base]"]).resume
    assert (kept.checkpoint, kept.accept) == (
        "runs/a/checkpoints/step-00000004",
        ("base",),
    ), "the file's own value stays"
    file.write_text("defaults: [quickstart, _self_]\nresume: {checkpoint: auto, accept: [data]}\n")
    kept = load_config(str(file), ["resume=never"]).resume
    assert (kept.checkpoint, kept.accept) == ("never", ("data",))
