"""A hub name is a snapshot in the cache; without it, the error says what to do. A base's own code runs if it
is trusted."""

import json
import shutil
from pathlib import Path

import pytest
from huggingface_hub import constants
from transformers import AutoModelForCausalLM

from rl.config.hub import model_directory
from rl.config.learner import LearnerConfig
from rl.learner.export import export_model
from rl.learner.model import load_model
from rl.run.prepare.preflight import check_base, load_config, load_tokenizer
from tests.unit.learner.models.model_bases import save_base

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CODE = """
from transformers import LlamaConfig, LlamaForCausalLM


class MyTinyConfig(LlamaConfig):
    model_type = "mytiny"


class MyTinyForCausalLM(LlamaForCausalLM):
    config_class = MyTinyConfig
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An offline cache that holds ``org/tiny`` (main, and the tag v1) as the hub's client lays it out."""
    folder = tmp_path / "hub" / "models--org--tiny"
    save_base("llama", folder / "snapshots" / COMMIT)
    for ref in ("main", "v1"):
        file = folder / "refs" / ref
        file.parent.mkdir(exist_ok=True)
        file.write_text(COMMIT, encoding="utf-8")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.mark.parametrize("revision", [None, "v1", COMMIT])
def test_a_name_is_its_snapshot(cache: Path, revision: str | None) -> None:
    found = model_directory("org/tiny", revision=revision)
    assert found == cache / "snapshots" / COMMIT
    check_base(found, load_tokenizer(found))


@pytest.mark.parametrize(("name", "revision"), [("org/other", None), ("org/tiny", "v2")])
def test_what_the_cache_does_not_hold(cache: Path, name: str, revision: str | None) -> None:
    with pytest.raises(
        ValueError,
        match=rf"model\.path: {name} is no directory here.*hf download {name}  where there is a network",
    ):
        model_directory(name, revision=revision)


def test_a_directory_comes_first_and_has_no_revision(cache: Path, tmp_path: Path) -> None:
    shutil.copytree(cache / "snapshots" / COMMIT, tmp_path / "org" / "tiny")
    assert model_directory("org/tiny") == tmp_path / "org" / "tiny"
    with pytest.raises(ValueError, match=r"model\.revision: v1 is of a name on the hub"):
        model_directory("org/tiny", revision="v1")


def test_a_path_is_never_looked_up(cache: Path, tmp_path: Path) -> None:
    for path in (str(tmp_path / "nowhere"), "./org/tiny", "a/b/c"):
        with pytest.raises(ValueError, match=r"reward_model\.path: .* holds no config\.json"):
            model_directory(path, field="reward_model.path")


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    base = save_base("llama", tmp_path / "remote")
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    config |= {"model_type": "mytiny", "architectures": ["MyTinyForCausalLM"]}
    config["auto_map"] = {
        "AutoConfig": "modeling_mytiny.MyTinyConfig",
        "AutoModelForCausalLM": "modeling_mytiny.MyTinyForCausalLM",
    }
    (base / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (base / "modeling_mytiny.py").write_text(CODE, encoding="utf-8")
    return base


def test_code_that_is_not_trusted_does_not_run(remote: Path) -> None:
    with pytest.raises(
        ValueError,
        match=r"model\.trust_remote_code: .* needs code of its own .*set it to true if you trust it",
    ):
        load_config(remote)


def test_code_that_is_trusted_trains_and_is_exported(remote: Path, tmp_path: Path) -> None:
    check_base(remote, load_tokenizer(remote, trust=True), trust=True)
    model = load_model(str(remote), LearnerConfig(), trust=True).causal_lm
    assert type(model).__name__ == "MyTinyForCausalLM"
    export_model(model, tmp_path / "export", model_path=str(remote), gather=False, is_writer=True)
    assert (tmp_path / "export" / "modeling_mytiny.py").read_text(encoding="utf-8") == CODE
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "export", trust_remote_code=True)
    assert type(again).__name__ == "MyTinyForCausalLM"
