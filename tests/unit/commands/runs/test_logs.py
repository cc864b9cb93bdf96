"""t2rl logs: files by the name of their actor, and only what is new with --follow."""

import json
import threading
import time

import pytest

from rl.commands.runs.logs import print_logs, show_logs
from rl.records.owner import Owner
from rl.views.logs import log_files, text_of
from tests.unit.commands.runs.made import make_run, status

HEAD = ":job_id:01000000\n:actor_name:{0}\n"


@pytest.fixture
def run(tmp_path):
    run = make_run(tmp_path, "mine")
    (run / "logs" / "controller.log").write_text("starting Ray\ntraining\n")
    ray = run / "logs" / "ray"
    ray.mkdir()

    def worker(number, name, text, stream="err"):
        path = ray / f"worker-{number:056x}-ffffffff-{number}.{stream}"
        path.write_text(HEAD.format("RolloutWorker") + (f":actor_name:{name}\n" if name else "") + text)
        return path

    run_files = {
        "engine": worker(11, "engine-0", "loading 0%\rloading 100%\nserving\n"),
        "other": worker(12, "engine-1", "serving too\n"),
        "nameless": worker(13, None, "died early\n"),
        "empty": worker(14, "engine-2", ""),
    }
    (ray / "raylet.out").write_text("not an actor's")
    (ray / f"worker-{15:056x}-ffffffff-15.err").write_text("an idle worker\n")
    return run, run_files


def said(*arguments, **options):
    lines: list[str] = []
    show_logs(*arguments, **({"tail": None, "follow": False} | options), say=lines.append)
    return lines


def test_actors_are_named_and_empty_logs_left_out(run):
    path, _ = run
    assert [(file.actor, file.pid) for file in log_files(path / "logs")] == [
        ("controller", None),
        ("engine", 13),
        ("engine-0", 11),
        ("engine-1", 12),
    ]


def test_the_list(run, capsys):
    print_logs(run[0], as_json=False)
    printed = capsys.readouterr().out
    assert "controller" in printed and "engine-0" in printed and "raylet" not in printed
    print_logs(run[0], as_json=True)
    assert {row["actor"] for row in json.loads(capsys.readouterr().out)} == {
        "controller",
        "engine",
        "engine-0",
        "engine-1",
    }


def test_marks_are_left_out_and_a_progress_bar_is_its_last_state(run):
    assert text_of(run[1]["engine"]) == ["loading 100%", "serving"]
    assert text_of(run[1]["engine"], tail=1) == ["serving"]
    assert text_of(run[1]["engine"], tail=0) == []


def test_one_actor(run):
    assert said(run[0], "controller") == ["starting Ray", "training"]
    assert said(run[0], "engine-0", tail=1) == ["serving"]


def test_a_kind_is_all_of_its_actors(run):
    (run[1]["nameless"]).unlink()
    assert said(run[0], "engine", tail=1) == [
        "== engine-0, process 11, err",
        "serving",
        "== engine-1, process 12, err",
        "serving too",
    ]


def test_an_unknown_actor_names_those_that_are_there(run):
    with pytest.raises(
        ValueError, match=r"no log of that name\. Did you mean 'engine-0'\? There are: controller"
    ):
        said(run[0], "engin-0")


def test_logs_of_earlier_starts_are_found_too(run):
    path, _ = run
    (path / "logs" / "ray").rename(path / "logs" / "ray-1")
    assert ("engine-0", 11) in [(file.actor, file.pid) for file in log_files(path / "logs")]


def test_follow_says_what_is_added_until_the_run_ends(run):
    path, files = run
    status(path, "running")
    lines: list[str] = []
    thread = threading.Thread(
        target=show_logs, args=(path, "engine-0"), kwargs={"tail": 1, "follow": True, "say": lines.append}
    )
    thread.start()
    try:
        wait_until(lambda: lines == ["serving"])
        with files["engine"].open("a") as file:
            file.write("a wh")
            file.flush()
            time.sleep(0.5)
            assert lines == ["serving"], "a line is said when it is whole"
            file.write("ole line\n")
        wait_until(lambda: lines == ["serving", "a whole line"])
    finally:
        status(path, "running", owner=Owner(Owner.me().pid, 0.0, Owner.me().host))
        thread.join(10)
    assert not thread.is_alive()


def wait_until(holds):
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
