"""The command as a user meets it: help, exit codes, messages without tracebacks."""

import json
import os
import subprocess
import sys
from importlib.metadata import entry_points, version

import pytest
import typer
from typer.testing import CliRunner

import t2rl
from rl.cli import app
from rl.cli.exits import exit_codes
from rl.config.load import load_config

runner = CliRunner()


def test_the_installed_script_is_this_one() -> None:
    (script,) = (e for e in entry_points(group="console_scripts") if e.name == "t2rl")
    assert script.load() is t2rl.main


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, rl.cli\n"
        "try: rl.cli.app(['--help'])\n"
        "except SystemExit as error: assert error.code == 0\n"
        "heavy = ('torch', 'ray', 'vllm', 'deepspeed', 'transformers', 'hydra', 'wandb', 'scipy', 'pandas')\n"
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert "train" in done.stdout and "t2rl doctor" in done.stdout


@pytest.mark.parametrize(("given", "then"), [(None, "1"), ("3", "3")])
def test_blas_has_one_thread_unless_told(given: str | None, then: str) -> None:
    code = (
        "import os, sys, rl.cli\n"
        "assert 'numpy' not in sys.modules, 'it reads the variable when it is imported'\n"
        "sys.argv = ['t2rl', '--version']\n"
        "try: rl.cli.main()\n"
        "except SystemExit: print(os.environ['OPENBLAS_NUM_THREADS'])"
    )
    environment = {k: v for k, v in os.environ.items() if k != "OPENBLAS_NUM_THREADS"}
    environment |= {} if given is None else {"OPENBLAS_NUM_THREADS": given}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=60, check=True
    )
    assert done.stdout.split()[-1] == then


@pytest.mark.parametrize("command", ["train", "sft", "dpo", "eval", "config", "doctor", "launch", "base"])
def test_every_command_explains_itself(command: str) -> None:
    result = runner.invoke(
        app, [command, "--help"] if command != "base" else ["base", "build", "--help"], env={"COLUMNS": "200"}
    )
    assert result.exit_code == 0
    assert f"t2rl {command}" in result.output


def test_version_names_the_parts_that_decide_what_it_does() -> None:
    result = runner.invoke(app, ["--version"])
    assert result.exit_code == 0
    assert (
        result.output.startswith(f"t2rl {version('t2rl')} (Python 3.")
        and f"torch {version('torch')}, vllm" in result.output
    )


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("t2rl eva", "eval"),
        ("t2rl train gsm", "gsm8k"),
        ("t2rl train quickstart learner.mic", "learner.micro_batch_tokens="),
        ("t2rl eval runs/x evaluation.boot", "evaluation.bootstrap="),
    ],
)
def test_a_shell_completes_commands_configs_and_fields(words: str, offered: str) -> None:
    environment = {
        "_T2RL_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    assert runner.invoke(app, [], prog_name="t2rl", env=environment).output.split() == [offered]


def test_config_prints_what_would_run() -> None:
    result = runner.invoke(app, ["config", "quickstart", "learner.lr=1e-3", "--json"])
    assert result.exit_code == 0
    assert json.loads(result.output)["learner"]["lr"] == 1e-3


def test_config_as_yaml_is_a_config(tmp_path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(runner.invoke(app, ["config", "quickstart", "run.steps=7"]).output)
    assert load_config(str(file)) == load_config("quickstart", ["run.steps=7"])


def test_config_without_a_name_lists_what_ships() -> None:
    listing = runner.invoke(app, ["config"]).output
    assert "quickstart" in listing and "knapsack" in listing and "uniform" in listing
    assert "grpo" in json.loads(runner.invoke(app, ["config", "--json"]).output)["groups"]["algorithm"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "quikstart"], "Did you mean 'quickstart'?"),
        (["train", "quickstart", "learner.lrr=1"], "Did you mean 'lr'?"),
        (["config", "quickstart", "stream.pipeline_depth=9"], "stream.pipeline_depth"),
        (["config", "sft_quickstart", "trainer.lrr=1"], "Did you mean 'lr'?"),
        (["sft", "sft_quickstart", "learner.lr=1"], "learner: no such field"),
        (["sft", "sft_quickstart", "trainer.micro_batch_size=5"], "must divide batch_size=32"),
        (["dpo", "sft_quickstart"], "run: t2rl sft sft_quickstart"),
        (["train", "dpo_quickstart"], "run: t2rl dpo dpo_quickstart"),
        (["launch", "quickstart", "learner.lrr=1", "--dry-run"], "Did you mean 'lr'?"),
        (["base", "build", "quickstart", "model=path", "model.path=x"], "choose a recipe"),
        (["nonsense"], "No such command"),
    ],
)
def test_wrong_input_is_two_with_a_short_message(arguments: list[str], words: str) -> None:
    result = runner.invoke(app, arguments)
    assert result.exit_code == 2
    assert words in result.output and "Traceback" not in result.output


def test_exit_codes_of_failures() -> None:
    def leave(error: BaseException) -> int:
        with pytest.raises(typer.Exit) as exit_, exit_codes():
            raise error
        return exit_.value.exit_code

    assert leave(ValueError("learner.lr: too small")) == 2
    assert leave(KeyboardInterrupt()) == 130
    with pytest.raises(RuntimeError), exit_codes():
        raise RuntimeError("ours: keeps its traceback, exit code 1")


def test_engines_that_cannot_be_kept_alive_end_a_command_with_their_own_words() -> None:
    code = (
        "from rl.cli.exits import exit_codes\nfrom rl.engines.errors import FleetDead\nimport typer\ndef"
        " run():\n    with exit_codes():\n        raise FleetDead('engine 0: no AutoModel')\ntyper.run(run)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (1, "error: engine 0: no AutoModel\n")


def test_a_failure_of_ours_is_one() -> None:
    code = "from rl.cli.exits import exit_codes\nwith exit_codes():\n    raise RuntimeError('ours')"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1 and "Traceback" in done.stderr


def test_launch_dry_run_prints_the_submission(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs.yaml").write_text("defaults: [debug, _self_]\nrun: {name: far, dir: /shared/runs}\n")
    arguments = ["launch", "runs.yaml", "learner.lr=1e-3", "--dry-run", "--address", "http://head:8265"]
    submission = json.loads(runner.invoke(app, arguments).output)
    assert submission["entrypoint"] == "python -m rl.cli train runs.yaml learner.lr=1e-3 cluster.address=auto"
    assert submission["address"] == "http://head:8265"
    assert (
        submission["runtime_env"]["working_dir"] == "." and "/runs/" in submission["runtime_env"]["excludes"]
    )
    assert submission["metadata"] == {"name": "far", "cluster": "local"}


def test_launch_quotes_overrides_and_keeps_an_address(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = [
        "launch",
        "debug",
        "run.name=a b",
        "run.dir=/r",
        "cluster.address=10.0.0.1:6379",
        "--dry-run",
    ]
    entrypoint = json.loads(runner.invoke(app, [*arguments, "--python", "/env/bin/python"]).output)[
        "entrypoint"
    ]
    assert (
        entrypoint
        == "/env/bin/python -m rl.cli train debug 'run.name=a b' run.dir=/r cluster.address=10.0.0.1:6379"
    )


def test_launch_refuses_results_that_the_cluster_would_throw_away() -> None:
    result = runner.invoke(app, ["launch", "debug", "--dry-run"])
    assert result.exit_code == 2 and "run.dir=/shared/runs" in result.output


def test_launch_refuses_a_file_that_the_cluster_would_not_see(tmp_path) -> None:
    (tmp_path / "mine.yaml").write_text("defaults: [debug, _self_]\n")
    (tmp_path / "work").mkdir()
    result = runner.invoke(
        app, ["launch", str(tmp_path / "mine.yaml"), "--working-dir", str(tmp_path / "work"), "--dry-run"]
    )
    assert result.exit_code == 2 and "outside --working-dir" in result.output


def test_doctor_quick_reports_as_json() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rl.cli", "doctor", "--quick", "--json"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ,
    )
    checks = {c["name"]: c for c in json.loads(done.stdout)}
    machine = {
        "cores",
        "cpu features",
        "memory",
        "shared memory",
        "gpus",
        "compiler",
        "python",
        "packages",
        "torchvision",
    }
    assert machine | {"sandbox"} == set(checks)
    assert done.returncode == int(any(c["status"] == "fail" for c in checks.values()))
    assert all(c["remedy"] for c in checks.values() if c["status"] != "ok")
