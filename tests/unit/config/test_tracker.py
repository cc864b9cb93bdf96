"""``tracker`` in its short and long forms, from the command line and from YAML."""

import pytest
import yaml

from rl.config.load import dump_config, load_config
from rl.config.tracker import NAMES, TrackerConfig
from rl.records.trackers import TRACKERS


@pytest.mark.parametrize(
    ("override", "use"),
    [
        ([], ("wandb",)),
        (["tracker=none"], ()),
        (["tracker=null"], ()),
        (["tracker=wandb"], ("wandb",)),
        (["tracker=wandb+tensorboard"], ("wandb", "tensorboard")),
        (["tracker=[trackio,mlflow]"], ("trackio", "mlflow")),
        (["tracker=wandb+own/code.py:Mine"], ("wandb", "own/code.py:Mine")),
        (["tracker=tensorboard", "tracker.wandb.project=p"], ("tensorboard",)),
        (["tracker.use=tensorboard"], ("tensorboard",)),
    ],
)
def test_the_command_line_names_one_or_several(override: list[str], use: tuple[str, ...]) -> None:
    assert load_config("quickstart", override).tracker.use == use


@pytest.mark.parametrize(
    ("written", "use"),
    [
        ("wandb", ("wandb",)),
        ("none", ()),
        ("wandb+tensorboard", ("wandb", "tensorboard")),
        (["wandb", "tensorboard"], ("wandb", "tensorboard")),
        ({"use": ["mlflow"], "mlflow": {"uri": "http://here"}}, ("mlflow",)),
        ({"wandb": {"tags": ["a", "b"]}}, ("wandb",)),
    ],
)
def test_a_file_names_one_or_several_and_its_dump_reads_back(tmp_path, written, use) -> None:
    tree = load_config("quickstart", []).model_dump(mode="json") | {"tracker": written}
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(tree))
    config = load_config(str(path), [])
    assert config.tracker.use == use
    path.write_text(dump_config(config))
    assert load_config(str(path), []).tracker == config.tracker


@pytest.mark.parametrize(
    ("use", "message"),
    [
        ("wandbb", "Did you mean 'wandb'?"),
        ("wandb+wandb", "wandb: named twice"),
        ("file.py", "is none of"),
        ("", "is none of"),
    ],
)
def test_a_wrong_name_is_refused(use: str, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("?", r"\?")):
        TrackerConfig(use=use)


def test_every_tracker_gets_its_own_settings() -> None:
    config = load_config(
        "quickstart", ["tracker.wandb.group=g", "tracker.trackio.project=t", "tracker.own={a: 1}"]
    ).tracker
    assert config.settings_of("wandb")["group"] == "g" and config.settings_of("trackio")["project"] == "t"
    assert config.settings_of("own.py:Mine") == {"a": 1} and config.settings_of("tensorboard") == {}


def test_the_names_of_the_config_are_those_that_ship() -> None:
    assert tuple(sorted(TRACKERS)) == NAMES
