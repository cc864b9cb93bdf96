"""What the page asks for, of made runs."""

import asyncio
import json
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from rl.watch.app import WatchService
from rl.watch.runs import Runs
from tests.unit.watch.made import add_step, watched_run, write_status


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return watched_run(tmp_path / "mine")


def client(path: Path) -> TestClient:
    return TestClient(WatchService(Runs(path)).app, base_url="http://127.0.0.1")


def test_the_page_and_everything_that_it_names(run: Path) -> None:
    browser = client(run)
    page = browser.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8" and "@" not in page.text
    names = [part.split('"')[0] for part in page.text.split("static/")[1:]]
    assert {name.split("?")[0] for name in names} == {
        "report.css",
        "watch.css",
        "plotly.js",
        "theme.js",
        "figures.js",
        "watch.js",
    }
    for name in names:
        answer = browser.get(f"/static/{name}")
        assert answer.status_code == 200 and "immutable" in answer.headers["cache-control"]


def test_static_files_are_asked_for_again_without_their_version(run: Path) -> None:
    browser = client(run)
    first = browser.get("/static/parts.js")
    assert first.headers["cache-control"] == "no-cache"
    again = browser.get("/static/parts.js", headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304 and again.content == b""


def test_plotly_is_sent_packed(run: Path) -> None:
    answer = client(run).get("/static/plotly.js", headers={"accept-encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert int(answer.headers["content-length"]) < len(answer.content) / 2


@pytest.mark.parametrize(
    "path",
    [
        "/static/..%2Fapp.py",
        "/static/%2e%2e/app.py",
        "/static/../app.py",
        "/api/runs/..",
        "/api/runs/..%2F..",
        "/api/runs/%2e%2e%2fmine",
        "/api/runs/mine/figures/..%2Fconfig.yaml",
        "/api/runs/other",
        "/config.yaml",
    ],
)
def test_no_address_becomes_a_path(run: Path, path: str) -> None:
    assert client(run).get(path).status_code == 404


def test_all_parts_of_a_run(run: Path) -> None:
    parts = client(run).get("/api/runs/mine").json()
    assert set(parts) == {"state", "curves", "advisories", "samples", "figures"}
    assert parts["state"]["step"] == 6 and parts["state"]["state"] == "finished"
    assert "reward" in [figure["name"] for figure in parts["figures"]["list"]]


def test_a_figure_is_sent_once_and_again_when_the_run_has_gone_on(run: Path) -> None:
    browser = client(run)
    first = browser.get("/api/runs/mine/figures/reward")
    assert {"data", "layout"} <= set(first.json()) and "retry-after" not in first.headers
    known = {"if-none-match": first.headers["etag"]}
    assert browser.get("/api/runs/mine/figures/reward", headers=known).status_code == 304
    add_step(run, 6)
    late = browser.get("/api/runs/mine/figures/reward", headers=known)
    assert late.status_code == 304 and float(late.headers["retry-after"]) > 0, "it rests first, and says so"


def test_a_figure_that_the_run_lacks_and_one_that_does_not_exist(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "config.yaml").write_text("run: {steps: 3}\n")
    browser = client(tmp_path / "new")
    assert browser.get("/api/runs/new/figures/reward").status_code == 204
    assert browser.get("/api/runs/new/figures/nothing").status_code == 404
    assert browser.get("/api/runs/new").json()["state"]["steps"] == 3


def test_a_directory_of_runs_and_a_new_one_in_it(tmp_path: Path) -> None:
    watched_run(tmp_path / "a")
    (tmp_path / "not a run").mkdir()
    runs = Runs(tmp_path)
    browser = TestClient(WatchService(runs).app, base_url="http://127.0.0.1")
    assert [row["run"] for row in browser.get("/api/runs").json()] == ["a"]
    watched_run(tmp_path / "b", state="running")
    assert browser.get("/api/runs/b").json()["state"]["run"] == "b", "found when it is asked for"


def test_events_at_first_everything_then_what_changed(run: Path) -> None:
    service = WatchService(Runs(run), interval_s=0.01)
    reader = Runs(run).reader("mine")
    reader._parts._at_least_s = 0.0

    async def listen() -> tuple[list[str], list[str]]:
        events = service._changes(reader)
        first = [await anext(events) for _ in range(6)]
        write_status(run, state="died", last_error="engine-0 was lost")
        reader._parts.again_at = 0.0
        then = [await anext(events)]
        service.leaving.set()
        then += [event async for event in events]
        return first, then

    first, then = asyncio.run(listen())
    assert [event.splitlines()[0] for event in first] == [
        "retry: 2000",
        *(f"event: {part}" for part in ("state", "curves", "advisories", "samples", "figures")),
    ]
    assert [event.splitlines()[0] for event in then] == ["event: state"]
    assert json.loads(then[0].splitlines()[1].removeprefix("data: "))["last_error"] == "engine-0 was lost"


def test_only_so_many_pages(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rl.watch.app.STREAMS", 0)
    answer = client(run).get("/api/runs/mine/events")
    assert answer.status_code == 503 and "open already" in answer.json()["error"]
