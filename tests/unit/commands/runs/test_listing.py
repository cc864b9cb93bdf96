"""t2rl runs and t2rl status, on run directories of every kind."""

import json
import time

import pytest
from typer.testing import CliRunner

from rl.cli import app
from rl.records.owner import Owner
from rl.views.run_view import RunView
from rl.views.standing import size_of, standing
from tests.unit.commands.runs.made import advise, evaluate, make_run, status

GONE = Owner(pid=Owner.me().pid, created=Owner.me().created - 100, host=Owner.me().host)
LOOPS = {
    "batches": {"waits_for": "plan 5: 3 of 8 groups", "since": 0, "limit_s": 600.0, "others": 0},
    "rollouts": {
        "waits_for": "engine 1 to finish group 2 of plan 5",
        "since": 0,
        "limit_s": 120.0,
        "others": 7,
    },
    "learner": {"waits_for": None, "since": 0, "limit_s": None, "others": 0},
}
ACTORS = [
    {"name": "engine-1", "kind": "engine", "state": "returning", "detail": "1 restart", "pid": 7, "host": "h"}
]


def call(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path, "mine")


def test_a_run_at_work(run):
    status(run, "running", eta_s=120.0)
    evaluate(run, 0, [4, 0])
    evaluate(run, 4, [8, 4])
    now = standing(RunView(run))
    assert (now.state, now.step, now.steps, now.kind, now.going) == ("running", 4, 10, "rl", True)
    assert now.eta_s == pytest.approx(120, abs=5)
    assert (now.base.value, now.newest.value, now.newest.version, now.temperature) == (0.25, 0.75, 4, 1.0)


def test_the_pace_of_the_last_steps_is_the_time_left_where_the_run_does_not_say(run):
    status(run, "running")
    assert standing(RunView(run)).eta_s == 6 * 2.0


def test_a_run_that_has_ended_has_no_time_left(run):
    status(run, "stopped", eta_s=120.0)
    assert standing(RunView(run)).eta_s is None


def test_a_run_from_before_there_was_a_status(run):
    assert (standing(RunView(run)).state, standing(RunView(run)).step) == ("unfinished", 4)
    (run / "model").mkdir()
    assert standing(RunView(run)).state == "finished"
    (run / ".owner").write_text(json.dumps({"pid": Owner.me().pid, "created": Owner.me().created}))
    assert standing(RunView(run)).state == "running"


def test_a_stage_is_called_by_its_name(tmp_path):
    run = make_run(tmp_path, "warm", config={"stage": "sft"})
    assert standing(RunView(run)).kind == "sft"
    assert "warm (sft)" in call("runs", tmp_path).stdout


def test_a_stage_that_was_killed_says_how_it_goes_on(tmp_path):
    run = make_run(tmp_path, "warm", config={"stage": "sft"})
    assert call("status", run).exit_code == 0
    (run / ".owner").write_text(json.dumps({"pid": GONE.pid, "created": GONE.created}))
    result = call("status", run)
    assert result.exit_code == 1 and "warm: died" in result.stdout
    assert "t2rl sft writes none" in result.stdout and "It has no checkpoint yet" in result.stdout


def test_without_a_base_the_newest_alone_is_shown(run):
    evaluate(run, 4, [8, 4])
    now = standing(RunView(run))
    assert now.base is None and now.newest.value == 0.75


def test_size_counts_every_file_and_follows_no_link(run, tmp_path):
    (tmp_path / "elsewhere").write_bytes(b"x" * 1_000_000)
    before = size_of(run)
    (run / "logs" / "ray").symlink_to(tmp_path / "elsewhere")
    assert size_of(run) - before < 10_000
    (run / "logs" / "big").write_bytes(b"x" * 1_000_000)
    assert 1_000_000 <= size_of(run) - before < 1_100_000


def test_the_list_as_json(run, tmp_path):
    make_run(tmp_path, "other", steps=0)
    status(run, "running", owner=GONE)
    rows = json.loads(call("runs", tmp_path, "--json").stdout)
    assert {row["name"]: (row["state"], row["step"]) for row in rows} == {
        "mine": ("died", 4),
        "other": ("unfinished", 0),
    }
    assert all(row["bytes"] > 0 and row["path"].startswith(str(tmp_path)) for row in rows)


def test_a_directory_without_runs_says_how_to_begin_one(tmp_path):
    assert "t2rl train quickstart run.dir=" in call("runs", tmp_path).stdout
    result = call("runs", tmp_path / "nowhere")
    assert result.exit_code == 2 and "there is no such directory" in result.stderr


def test_status_tells_loops_actors_error_and_advice(run):
    status(
        run,
        "running",
        loops=LOOPS,
        actors=ACTORS,
        last_error="engine 1 lost (EngineDead: it sampled nothing)",
        last_error_at=time.time() - 5,
    )
    advise(run, 3, "stalled", "no step has ended for 22 s")
    result = call("status", run)
    assert result.exit_code == 0, result.stderr
    for words in (
        "mine: running, step 4/10",
        "plan 5: 3 of 8 groups",
        "engine 1 to finish group 2 of plan 5 (and 7",
        "(at work)",
        "returning",
        "last error, 5 s ago: engine 1 lost",
        "advice at step 3: stalled: no step has ended for 22 s",
    ):
        assert words in " ".join(result.stdout.split()), words


@pytest.mark.parametrize(
    ("state", "more", "code", "words"),
    [
        ("finished", {}, 0, "finished"),
        ("stopped", {}, 0, "It has no checkpoint yet"),
        ("failed", {}, 1, "failed"),
        ("running", {"owner": GONE}, 1, "Its process is gone without a word"),
        ("running", {"updated_at": time.time() - 1000}, 1, "its event loop hangs"),
    ],
)
def test_the_exit_code_says_whether_somebody_should_look(run, state, more, code, words):
    status(run, state, **more)
    result = call("status", run)
    assert result.exit_code == code
    assert words in result.stdout


def test_status_as_json_has_the_file_and_more(run):
    status(run, "running", loops=LOOPS)
    found = json.loads(call("status", run, "--json").stdout)
    assert found["loops"] == LOOPS
    assert (found["alive"], found["silent"], found["step"], found["kind"]) == (True, False, 4, "rl")


def test_a_status_on_another_host_is_neither_dead_nor_alive(run):
    status(run, "running", owner=Owner(pid=1, created=0.0, host="elsewhere"))
    found = json.loads(call("status", run, "--json").stdout)
    assert (found["state"], found["alive"]) == ("running", None)


def test_an_unknown_run_is_the_users_mistake_and_the_nearest_is_offered(run, tmp_path):
    result = call("status", tmp_path / "mein")
    assert result.exit_code == 2 and "mine" in result.stderr
