"""Secrets never reach what is written of a config: they are left out, or refused."""

import json
import re

import pytest
import yaml

from rl.cluster.launch import Submission
from rl.config.load import ConfigError, dump_config, load_as, load_config
from rl.config.secrets import is_secret_variable
from rl.config.shown import shown
from rl.config.stages import DpoConfig, SftConfig
from rl.stages.sampling import sampling_config

PLANTED = "planted-9b1f"
ENV = [f"cluster.env.HF_TOKEN={PLANTED}", "cluster.env.NCCL_SOCKET_IFNAME=eth0"]


def test_words_of_secrets() -> None:
    for name in (
        "HF_TOKEN",
        "WANDB_API_KEY",
        "AWS_SECRET_ACCESS_KEY",
        "DB_PASSWORD",
        "token",
        "OPENAI_APIKEY",
    ):
        assert is_secret_variable(name), name
    for name in ("TOKENIZERS_PARALLELISM", "NCCL_DEBUG", "HF_HOME", "MAX_TOKENS", "KEYBOARD"):
        assert not is_secret_variable(name), name


def test_a_secret_variable_reaches_the_actors_and_no_file(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    config = load_config("debug", ENV)
    assert config.cluster.env["HF_TOKEN"] == PLANTED
    written = dump_config(config)
    for text in (written, json.dumps(shown(config)), config.model_dump_json()):
        assert PLANTED not in text and "eth0" in text
    (tmp_path / "config.yaml").write_text(written)
    assert load_config(str(tmp_path / "config.yaml")).cluster.env["HF_TOKEN"] == ""
    monkeypatch.setenv("HF_TOKEN", "of this machine")
    assert load_config(str(tmp_path / "config.yaml")).cluster.env["HF_TOKEN"] == "of this machine"
    assert yaml.safe_load(dump_config(load_config(str(tmp_path / "config.yaml")))) == yaml.safe_load(written)


def test_sampled_pairs_keep_the_variable() -> None:
    config = load_as(DpoConfig, "dpo_quickstart", ENV)
    assert sampling_config(config).cluster.env["HF_TOKEN"] == PLANTED


@pytest.mark.parametrize(
    ("override", "says"),
    [
        (
            f"task.reward_args={{api_key: {PLANTED}}}",
            r"task\.reward_args\.api_key: looks like a secret",
        ),
        (
            f"tracker={{use: [mlflow], mlflow: {{uri: 'http://me:{PLANTED}@host'}}}}",
            r"tracker\.mlflow\.uri: holds a password",
        ),
    ],
)
def test_elsewhere_a_secret_is_refused_by_name_and_not_repeated(override, says) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        load_config("gsm8k", ["model.path=/m", "task.train=/t", "task.test=/t", override])
    assert PLANTED not in str(caught.value)


def test_stages_refuse_them_too() -> None:
    with pytest.raises(ConfigError, match=r"data\.path: holds a password"):
        load_as(SftConfig, "sft_quickstart", [f"data.path='http://me:{PLANTED}@host/rows.jsonl'"])


def test_a_job_takes_no_secret_in_its_command(monkeypatch) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    for given in (ENV, [f"cluster.env={{HF_TOKEN: {PLANTED}}}"]):
        with pytest.raises(ConfigError, match=r"cluster\.env\.HF_TOKEN: .*dashboard") as caught:
            Submission.plan("debug", [*given, "run.dir=/runs"], address="http://127.0.0.1:1")
        assert PLANTED not in str(caught.value)
    [advised] = re.findall(r"cluster\.env\.HF_TOKEN='(\S+)'", str(caught.value))
    advised = f"cluster.env.HF_TOKEN={advised}"
    elsewhere = Submission.plan("debug", [advised, "run.dir=/runs"], address="http://127.0.0.1:1")
    assert "oc.env:HF_TOKEN" in elsewhere.entrypoint, "where the variable is the head's alone"
    monkeypatch.setenv("HF_TOKEN", PLANTED)
    passed = "cluster.env.HF_TOKEN='${oc.env:HF_TOKEN}'"
    job = Submission.plan("debug", [passed, "run.dir=/runs"], address="http://127.0.0.1:1")
    assert "oc.env:HF_TOKEN" in job.entrypoint and PLANTED not in job.as_json()
