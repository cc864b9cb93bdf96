"""A choice and what it alone reads: words, mappings, one over the other; old names say where they went."""

from pathlib import Path

import pytest

from rl.config.algorithm import AlgorithmConfig, MirrorLikelihood, PasskAdvantage
from rl.config.choice import OwnCode
from rl.config.fields import explain_unknown, leaf_paths
from rl.config.learner import Muon, PowerSchedule, WsdSchedule
from rl.config.load import ConfigError, dump_config, load_config
from rl.config.moved import MOVED
from rl.config.schema import Config


def refused(*overrides: str, name: str = "quickstart") -> str:
    with pytest.raises(ConfigError) as error:
        load_config(name, list(overrides))
    return str(error.value)


@pytest.fixture
def mine(tmp_path: Path):
    """Write a config of the user's own and return its name."""

    def write(text: str, base: str = "quickstart") -> str:
        (tmp_path / "mine.yaml").write_text(f"defaults: [{base}, _self_]\n{text}\n")
        return str(tmp_path / "mine.yaml")

    return write


@pytest.mark.parametrize(
    "overrides",
    [
        ["learner.schedule=wsd", "learner.schedule.decay_share=0.3"],
        ["learner.schedule.decay_share=0.3", "learner.schedule=wsd"],
        ["learner.schedule={name: wsd, decay_share: 0.3}"],
        ["learner.schedule=cosine", "learner.schedule=wsd", "learner.schedule.decay_share=0.3"],
        ["learner.schedule.name=wsd", "learner.schedule.decay_share=0.3"],
    ],
)
def test_a_word_and_settings_of_a_choice_in_any_order(overrides: list[str]) -> None:
    assert load_config("quickstart", overrides).learner.schedule == WsdSchedule(decay_share=0.3)


def test_a_word_takes_the_place_of_another_choice_with_all_its_settings(mine) -> None:
    file = mine("learner: {schedule: {name: wsd, decay_share: 0.3}}")
    assert load_config(file).learner.schedule == WsdSchedule(decay_share=0.3)
    assert load_config(file, ["learner.schedule=power"]).learner.schedule == PowerSchedule()
    assert load_config(file, ["learner.schedule=wsd"]).learner.schedule == WsdSchedule()


def test_a_setting_over_a_word_keeps_the_choice(mine) -> None:
    file = mine("learner: {optimizer: muon}\nalgorithm: {mask: dual_clip}")
    config = load_config(file, ["learner.optimizer.momentum=0.9", "algorithm.mask.clip_low=0.1"])
    assert config.learner.optimizer == Muon(momentum=0.9)
    assert (config.algorithm.mask.name, config.algorithm.mask.clip_low) == ("dual_clip", 0.1)
    assert load_config("quickstart", ["algorithm=passk", "algorithm.advantage.k=2"]).algorithm.pass_k == 2


def test_a_preset_and_a_file_over_it(mine) -> None:
    kimi = mine("algorithm: {likelihood: {tau: 0.5}}", base="quickstart, override algorithm: kimi")
    assert load_config(kimi).algorithm.likelihood == MirrorLikelihood(tau=0.5)
    word = mine("algorithm: {likelihood: mirror}")
    assert load_config(word).algorithm.likelihood == MirrorLikelihood()
    named = mine("algorithm: {advantage: {name: passk, k: 4}}")
    assert load_config(named).algorithm.advantage == PasskAdvantage(k=4)
    nameless = mine("algorithm: {advantage: {k: 4}}")
    assert "algorithm.advantage: which one? Give the settings a name: brpo, dr_grpo" in refused(name=nameless)


def test_a_setting_that_the_choice_does_not_read_is_refused_with_those_that_do() -> None:
    said = refused("learner.schedule.decay_share=0.3")
    assert said.startswith("learner.schedule.decay_share: only learner.schedule=wsd|power reads it; set that")
    assert "algorithm.mask.dual_clip: only algorithm.mask=dual_clip" in refused("algorithm.mask.dual_clip=3")
    assert "Did you mean 'decay_share'?" in refused("learner.schedule=wsd", "learner.schedule.decay_shar=1")


def test_unknown_choices_list_what_there_is() -> None:
    assert "learner.schedule: 'cosin' is none of constant, cosine, " in refused("learner.schedule=cosin")
    assert "pkg.module:attr" in refused("algorithm.mask=clipp")
    assert "Did you mean 'clip'?" in refused("algorithm.mask=clipp")
    assert "pkg.module:attr" not in refused("algorithm.importance=tokens"), "it has no resolver"


@pytest.mark.parametrize(
    "field",
    [
        "algorithm.mask",
        "algorithm.advantage",
        "algorithm.likelihood",
        "learner.schedule",
        "learner.optimizer",
    ],
)
def test_code_of_ones_own_by_its_form(field: str) -> None:
    config = load_config("quickstart", [f"{field}=my_pkg.parts:mine", f"{field}.args.x=2"])
    section, name = field.split(".")
    part = getattr(getattr(config, section), name)
    assert isinstance(part, OwnCode) and (part.name, part.args) == ("my_pkg.parts:mine", {"x": 2})
    assert load_config("quickstart", [f"{field}=path/to/file.py:mine"]) != config
    assert f"{field}: " in refused(f"{field}='my_pkg:no name'")


def test_a_choice_is_written_as_short_as_it_is(tmp_path: Path) -> None:
    dumped = dump_config(load_config("quickstart", ["learner.optimizer=muon"]))
    assert "schedule: constant\n" in dumped and "advantage: grpo\n" in dumped
    assert "  optimizer:\n    name: muon\n    muon_lr: 0.001\n    momentum: 0.95\n" in dumped


@pytest.mark.parametrize("old", sorted(MOVED))
def test_old_names_say_where_they_went(old: str, mine) -> None:
    places = MOVED[old].split(" or ")
    known = leaf_paths(Config)
    assert set(places) <= set(known) and old not in known
    section, *fields = old.split(".")
    message = f"{old}: is now {MOVED[old]}"
    assert (explain_unknown(Config, old.split(".")) or "").startswith(message)
    tree = "".join(f"{{{field}: " for field in fields) + "0.5" + "}" * len(fields)
    in_file = refused(name=mine(f"{section}: {tree}"))
    above = next(o for o in sorted(MOVED, key=len) if old == o or old.startswith(f"{o}."))
    assert f"{above}: is now" in in_file
    assert message in refused(f"{old}=0.5")


def test_the_settings_below_an_old_section_are_told_in_full() -> None:
    assert "algorithm.gae.lam: is now algorithm.advantage.lam" in refused("algorithm.gae.lam=0.9")
    assert "is now algorithm.advantage.planner.every" in refused("algorithm.planner.every=3")


def test_what_only_one_choice_has_is_none_elsewhere() -> None:
    plain, gae = AlgorithmConfig(), AlgorithmConfig.model_validate({"advantage": "gae"})
    assert (plain.critic, plain.planner, plain.pass_k) == (None, None, 1)
    assert gae.critic is not None and gae.critic.name == "separate"
