"""The command: which port and token, and what is wrong said before anything starts."""

import asyncio
import json
import os
import signal
import socket
import time
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from rl.cli import app as cli
from rl.commands.listen import bound, listen
from rl.watch import command
from rl.watch.app import WatchService
from rl.watch.command import WatchOptions, address, bound_near
from rl.watch.runs import Runs
from tests.unit.watch.made import watched_run

runner = CliRunner()


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return watched_run(tmp_path / "runs" / "mine")


def test_help_teaches() -> None:
    result = runner.invoke(cli, ["watch", "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0 and "t2rl watch runs/quickstart --terminal" in result.output


def test_where_no_run_is(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere"):
        result = runner.invoke(cli, ["watch", str(path)])
        assert result.exit_code == 2 and str(path) in result.output


def test_once_and_json(run: Path) -> None:
    once = runner.invoke(cli, ["watch", str(run), "--once"])
    assert once.exit_code == 0 and "step 6/40" in once.output and "engine-0" in once.output
    result = runner.invoke(cli, ["watch", str(run.parent), "--json"])
    assert json.loads(result.output)["state"]["run"] == "mine"


def test_a_pipe_gets_lines_and_the_end_of_the_run_is_the_end(run: Path) -> None:
    result = runner.invoke(cli, ["watch", str(run), "--terminal"])
    assert result.exit_code == 0 and result.output.startswith("mine finished  step 6/40  reward 0.")


def test_a_taken_port_is_passed_over_unless_it_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        monkeypatch.setattr(command, "PORT", number)
        with bound_near("127.0.0.1", None) as sock:
            assert number < sock.getsockname()[1] < number + command.TRIES
        with pytest.raises(ValueError, match=f"--port {number}: Address already in use"):
            bound_near("127.0.0.1", number)


def test_the_address_to_open() -> None:
    with bound("127.0.0.1", 0) as sock:
        port = sock.getsockname()[1]
        assert address(sock, WatchOptions()) == f"http://127.0.0.1:{port}/"
        assert address(sock, WatchOptions(host="::1", token="a")) == f"http://[::1]:{port}/?token=a"
        everywhere = WatchOptions(host="0.0.0.0", token="a")
        assert address(sock, everywhere) == f"http://{socket.gethostname()}:{port}/?token=a"


@pytest.mark.parametrize(("host", "needed"), [("127.0.0.1", False), ("localhost", False), ("0.0.0.0", True)])
def test_others_need_a_token_which_is_made(
    run: Path, monkeypatch: pytest.MonkeyPatch, host: str, needed: bool
) -> None:
    seen: list[WatchOptions] = []
    monkeypatch.setattr(command, "serve_page", lambda path, options: seen.append(options))
    for _ in range(2):
        assert runner.invoke(cli, ["watch", str(run), "--host", host]).exit_code == 0
    tokens = [options.token for options in seen]
    assert len(set(tokens)) == (2 if needed else 1) and all((token is not None) == needed for token in tokens)
    assert not needed or min(map(len, tokens)) >= 32


def test_ctrl_c_ends_open_streams_at_once(run: Path) -> None:
    async def interrupted() -> float:
        service, ready, sock = WatchService(Runs(run)), asyncio.Event(), bound("127.0.0.1", 0)
        serving = asyncio.create_task(
            listen(service.app, sock, watch=asyncio.sleep(60), ready=ready.set, leaving=service.leaving.set)
        )
        await ready.wait()
        url = f"http://127.0.0.1:{sock.getsockname()[1]}/api/runs/mine/events"
        async with httpx.AsyncClient(trust_env=False) as client, client.stream("GET", url) as stream:
            events = stream.aiter_lines()
            while await anext(events) != "event: figures":
                pass
            started = time.monotonic()
            os.kill(os.getpid(), signal.SIGINT)
            async for _ in events:
                pass
        await serving
        service.close()
        return time.monotonic() - started

    assert asyncio.run(interrupted()) < 4, "well before the grace of requests at work is over"
