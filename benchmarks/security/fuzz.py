"""The three services against schemathesis, by the description that each of them serves.

``t2rl serve`` runs over a scripted engine (its whole application is real), ``t2rl sandbox serve`` over a real
sandbox, ``t2rl watch`` over a made run. Each is fuzzed with valid and broken requests: a status that the
description does not have, a crash or an answer of another form is a failure.

    pip install schemathesis            # into an environment of its own
    python -m benchmarks.security.fuzz --schemathesis PATH/schemathesis
"""

import argparse
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from benchmarks.lib.common import CONSOLE, machine, parser, save

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
TOKEN = "fuzz-token"
SERVE = """
import asyncio, socket, sys
from pathlib import Path
from rl.commands.callers import LocalCallers
from rl.commands.listen import listen
from rl.watch.app import WatchService
from rl.watch.guard import Guard
from rl.watch.runs import Runs
from tests.unit.serve.scripted import Engine, service
from tests.unit.watch.made import watched_run

async def main(kind, port, folder):
    if kind == "serve":
        app = service(Engine(["a 4", "b"]), reward="math", token="fuzz-token", max_body=1 << 20).app
    else:
        watched_run(Path(folder) / "mine")
        watch = WatchService(Runs(Path(folder)))
        asyncio.get_running_loop().call_later(1e9, watch.leaving.set)
        app = Guard(watch.app, token="fuzz-token")
    with socket.create_server(("127.0.0.1", port)) as sock:
        await listen(app, sock, watch=asyncio.Event().wait())

asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
"""


def fuzz(kind: str, program: str, examples: int, seconds: int) -> dict[str, Any]:
    """Start the service, fuzz it, and count."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        token = Path(folder) / "token"
        token.write_text(TOKEN)
        own = ["-m", "rl.cli", "sandbox", "serve", "--port", str(port), "--workers", "2", "--token-file"]
        command = [*own, str(token)] if kind == "sandbox" else ["-c", SERVE, kind, str(port), folder]
        with tempfile.TemporaryFile() as log:
            server = subprocess.Popen([sys.executable, *command], stdout=log, stderr=log)
            try:
                _until_up(port, server)
                found = _attack(program, port, folder, kind=kind, examples=examples, seconds=seconds)
                found["alive"] = server.poll() is None and _get(port).status_code == 200
            finally:
                server.terminate()
                server.wait(30)
            log.seek(0)
            found["tracebacks"] = (
                log.read().decode(errors="replace").count("Traceback (most recent call last)")
            )
    return found


def _get(port: int) -> httpx.Response:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    return httpx.get(f"http://127.0.0.1:{port}/openapi.json", headers=headers)


def _until_up(port: int, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            _get(port).raise_for_status()
        except httpx.TransportError:
            assert server.poll() is None and time.monotonic() < deadline, "the service did not start"
            time.sleep(0.2)
        else:
            return


def _attack(
    program: str, port: int, folder: str, *, kind: str, examples: int, seconds: int
) -> dict[str, Any]:
    command = [program, "run", f"http://127.0.0.1:{port}/openapi.json", "--checks", CHECKS]
    command += ["-H", f"Authorization: Bearer {TOKEN}", "--max-examples", str(examples), "--seed", "1"]
    command += ["--mode", "all", "--phases", "examples,coverage,fuzzing", "--no-color"]
    # A machine at work runs a sandbox's job late.
    command += ["--request-timeout", "600"]
    # The stream of events has no end, which schemathesis would wait for.
    command += ["--exclude-path", "/api/runs/{run}/events"] if kind == "watch" else []
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds, cwd=folder)
    counts = re.search(r"(\d+) generated", done.stdout)
    if done.returncode:
        CONSOLE.print(done.stdout[-8000:], markup=False)
    return {
        "requests": int(counts[1]) if counts else 0,
        "failed": done.returncode,
        "seconds": round(time.monotonic() - started, 1),
    }


def main(args: argparse.Namespace) -> dict[str, Any]:
    """All three."""
    program = shutil.which(args.schemathesis)
    if program is None:
        raise SystemExit(f"--schemathesis {args.schemathesis}: no such program")
    program = str(Path(program).absolute())
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    examples = 10 if args.quick else args.examples
    services = {k: fuzz(k, program, examples, 900) for k in args.services}
    result = {"machine": machine(), "schemathesis": version.stdout.strip(), "services": services}
    CONSOLE.print(services)
    return result


if __name__ == "__main__":
    options = parser(__doc__)
    options.add_argument("--schemathesis", default="schemathesis", help="the program")
    options.add_argument("--examples", type=int, default=200, help="for each operation")
    options.add_argument("--services", nargs="+", default=["serve", "sandbox", "watch"])
    arguments = options.parse_args()
    save("fuzz", main(arguments), args=arguments)
