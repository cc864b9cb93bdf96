"""The command: help, options that are wrong, and how it ends."""

import asyncio
import os
import signal
import socket

import httpx
import pytest
from typer.testing import CliRunner

from rl.cli import app as cli
from rl.commands.listen import bound, listen
from tests.unit.serve.scripted import Engine, service

runner = CliRunner()


def test_help_teaches() -> None:
    result = runner.invoke(cli, ["serve", "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0 and "t2rl serve runs/quickstart --plan plan.json" in result.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere", "--host", "0.0.0.0"], "open to others: give --token-file"),
        (["nowhere", "--token-file", "missing"], "no such file"),
        (["nowhere", "--samples", "0"], "--samples"),
    ],
)
def test_wrong_options_are_two(arguments: list[str], words: str) -> None:
    result = runner.invoke(cli, ["serve", *arguments])
    assert result.exit_code == 2 and words in result.output


def test_a_taken_port_is_said_before_anything_starts() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(ValueError, match=r"--port \d+: Address already in use"),
    ):
        bound("127.0.0.1", taken.getsockname()[1])


def test_an_interrupt_lets_the_request_at_work_finish_and_a_death_is_passed_on() -> None:
    async def interrupted() -> int:
        working = asyncio.Event()

        async def work() -> None:
            working.set()
            await asyncio.sleep(0.2)

        ready, sock = asyncio.Event(), bound("127.0.0.1", 0)
        address = f"http://127.0.0.1:{sock.getsockname()[1]}"
        app = service(Engine(["4"], wait=work), samples=1).app
        serving = asyncio.create_task(listen(app, sock, watch=asyncio.sleep(60), ready=ready.set))
        await ready.wait()
        async with httpx.AsyncClient(trust_env=False) as client:
            asking = asyncio.create_task(
                client.post(f"{address}/v1/completions", json={"model": "toy", "prompt": "?"})
            )
            await working.wait()
            os.kill(os.getpid(), signal.SIGINT)
            status = (await asking).status_code
        await asyncio.wait_for(serving, 5)
        return status

    async def died() -> None:
        raise RuntimeError("no engine left")

    assert asyncio.run(interrupted()) == 200
    with pytest.raises(RuntimeError, match="no engine left"):
        asyncio.run(listen(service(Engine(["4"])).app, bound("127.0.0.1", 0), watch=died()))
