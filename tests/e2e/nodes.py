"""Ray nodes on one machine that share no more than machines do.

Each node is a process tree in namespaces of its own: network (an address behind a bridge, ports of its own),
mounts (its own ``/dev/shm``, its own Ray directory), processes and host name. What is left in common are the
files, which stand for shared storage; ``hide`` takes folders out of that. Killing a node is what a power
cut is to a machine: every process in it is gone at once, and its address answers no more.

Needs root on Linux (``Lab.missing`` says what else there may be no right to do).
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO

import psutil

from rl.cluster.ray_runtime import RAY_ENV

START_S = 400.0
SUBNET = "10.77.0"
GATEWAY = f"{SUBNET}.254"
PORT = 6379
STORE_BYTES = 100_000_000
HEALTH = {
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "8000",
    "RAY_health_check_failure_threshold": "3",
}
"""A killed node refuses every question at once, so it is given up after about three seconds; one that is only
slow has 24."""
WITH_ME = ["setpriv", "--pdeathsig", "KILL"]
"""Whatever begins like this ends when the tests' process does, however that ends."""
NAMESPACES = ["unshare", "--mount", "--net", "--pid", "--uts", "--ipc", "--fork", "--mount-proc"]
SWITCH = f"""
ip link set lo up
ip link add cable type bridge
ip addr add {GATEWAY}/24 dev cable
ip link set cable up
echo ready
exec sleep infinity
"""
NODE = """
set -e
hostname "$1"
mount -t tmpfs -o size=512m tmpfs /dev/shm
mount -t tmpfs -o size=512m tmpfs "$2"
mkdir "$2/work" "$2/tmp"
printf '127.0.0.1 localhost\\n127.0.1.1 %s\\n' "$1" > "$2/hosts"
mount --bind "$2/hosts" /etc/hosts
echo 'nameserver 127.0.0.1' > "$2/resolv.conf"
mount --bind "$2/resolv.conf" /etc/resolv.conf
echo ready
while :; do sleep 3600 & wait $!; done
"""
"""The first process of a node, which also takes in orphans. The host's own name leads to 127.0.1.1, as on
Debian: whoever asks by name for the address that others reach it at is misled. There is no name server, and
who asks for one hears so at once."""


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"


class Lab:
    """A cable, and the nodes on it."""

    def __init__(self) -> None:
        self.own = Path(tempfile.mkdtemp(prefix="t2n-", dir="/tmp"))  # sockets have no room for a long path
        self.nodes: list[Node] = []
        command = [*WITH_ME, "unshare", "--net", "sh", "-ec", SWITCH]
        self._switch = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        _until_ready(self._switch)

    @staticmethod
    def missing() -> str | None:
        """Why there can be no nodes on this machine; None if there can."""
        for tool in ("setpriv", "unshare", "nsenter", "ip"):
            if shutil.which(tool) is None:
                return f"{tool} is not installed"
        tried = subprocess.run(
            [*NAMESPACES, "ip", "link", "add", "cable", "type", "bridge"],
            capture_output=True,
            text=True,
            check=False,
        )
        return None if tried.returncode == 0 else f"no right to make namespaces: {tried.stderr.strip()}"

    @property
    def address(self) -> str:
        """Address of the head, for ``cluster.address``."""
        return f"{SUBNET}.1:{PORT}"

    def boot(self, *cpus: int) -> "list[Node]":
        """Start nodes with so many logical CPUs each, side by side; the first one ever is the head."""
        booted = []
        for count in cpus:
            booted.append(Node(self, len(self.nodes) + 1, cpus=count))
            self.nodes.append(booted[-1])
            if len(self.nodes) == 1:
                booted[0].wait_up()
        for node in booted:
            node.wait_up()
        return booted

    def again(self, node: "Node") -> "Node":
        """Switch a machine that was killed on again: same name and address, nothing in its memory."""
        assert not node.on
        place = self.nodes.index(node)
        self.nodes[place] = Node(self, place + 1, cpus=node.cpus)
        self.nodes[place].wait_up()
        return self.nodes[place]

    def plug_in(self, name: str, init: int, address: str) -> None:
        """Give the node whose first process is ``init`` a card with an address, on the cable."""
        port = f"to-{name}"
        switch = ["nsenter", "-t", str(self._switch.pid), "-n", "ip", "link"]
        _run(*switch, "add", port, "type", "veth", "peer", "name", "eth0", "netns", str(init))
        _run(*switch, "set", port, "master", "cable", "up")
        card = f"ip link set lo up; ip addr add {address}/24 dev eth0; ip link set eth0 up"
        _run("nsenter", "-t", str(init), "-n", "sh", "-ec", f"{card}; ip route add default via {GATEWAY}")

    def close(self) -> None:
        """Cut everything off; nothing of it is left."""
        for node in self.nodes:
            node.kill()
        self._switch.kill()
        self._switch.wait(30)
        assert self._switch.stdout is not None
        self._switch.stdout.close()
        shutil.rmtree(self.own, ignore_errors=True)


class Node:
    """One machine of the lab, with a raylet (and with the head's services, if it is the first)."""

    def __init__(self, lab: Lab, number: int, *, cpus: int) -> None:
        self.lab, self.name, self.cpus = lab, f"node{number}", cpus
        self.address = f"{SUBNET}.{number}"
        self.log = lab.own.with_name(f"{lab.own.name}-{self.name}.txt")
        first = ["bash", "-c", NODE, "node", self.name, str(lab.own)]
        self._outside = subprocess.Popen(
            [*WITH_ME, *NAMESPACES, "--kill-child=KILL", *first], stdout=subprocess.PIPE, text=True
        )
        _until_ready(self._outside)
        self.init = psutil.Process(self._outside.pid).children()[0].pid
        lab.plug_in(self.name, self.init, self.address)
        self._output: IO[bytes] = self.log.open("wb")
        self._ray = subprocess.Popen(
            [*self.inside, *self._start()],
            env=self.env(HEALTH),
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )

    def _start(self) -> list[str]:
        role = ["--head", f"--port={PORT}"] if self.name == "node1" else [f"--address={self.lab.address}"]
        ray = ["start", *role, f"--node-ip-address={self.address}", f"--num-cpus={self.cpus}", "--num-gpus=0"]
        if self.name == "node1":
            ray += ["--include-dashboard=false", f"--temp-dir={self.lab.own}/ray"]
        store = [f"--object-store-memory={STORE_BYTES}", "--block"]
        return [str(Path(sys.executable).with_name("ray")), *ray, *store]

    @property
    def inside(self) -> list[str]:
        """In front of a command: run it on this node, in a folder of the node's own."""
        enter = ["nsenter", "-t", str(self.init), "-m", "-n", "-p", "-u", "-i"]
        return [*WITH_ME, *enter, "sh", "-c", f'cd {self.lab.own}/work && exec "$@"', "sh"]

    def env(self, *more: dict[str, str]) -> dict[str, str]:
        """Environment of a command on this node."""
        env = {**os.environ, **RAY_ENV, "RAY_AUTH_MODE": "disabled", "TMPDIR": f"{self.lab.own}/tmp"}
        # By default actors are nicer than all else, which on a busy machine starves them.
        env["RAY_worker_niceness"] = "0"
        for one in more:
            env |= one
        return env

    def wait_up(self) -> None:
        """Return when Ray runs here."""
        deadline = time.monotonic() + START_S
        while "Ray runtime started" not in self.log.read_text(errors="replace"):
            assert self._ray.poll() is None and time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)

    @property
    def ray_id(self) -> str:
        """Ray's name for this node."""
        for process in _family(self.init):
            for word in process.cmdline() if process.name() == "raylet" else ():
                if word.startswith("--node_id="):
                    return word.partition("=")[2]
        raise AssertionError(f"no raylet on {self.name}: {self.log.read_text(errors='replace')}")

    def pids(self, name: str) -> list[int]:
        """Live processes of this node whose command line contains ``name``."""
        found = []
        for process in _family(self.init):
            try:
                if name in " ".join(process.cmdline()):
                    found.append(process.pid)
            except psutil.NoSuchProcess:
                continue
        return found

    @property
    def on(self) -> bool:
        """True until it is killed."""
        return self._outside.poll() is None

    def kill(self) -> None:
        """Cut the power."""
        if self.on:
            os.kill(self.init, 9)
        self._outside.wait(30)
        self._ray.wait(30)
        if self._outside.stdout is not None:
            self._outside.stdout.close()
        self._output.close()
        self.log.unlink(missing_ok=True)

    def hide(self, folder: Path) -> None:
        """Put an empty folder in the place of a shared one, on this node alone."""
        mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)]
        _run("nsenter", "-t", str(self.init), "-m", *mount)

    def drain(self, *, deadline_s: int) -> None:
        """Tell Ray that this machine will be taken away in so many seconds, as a cloud does."""
        head = self.lab.nodes[0]
        command = ["ray", "drain-node", f"--address={self.lab.address}", f"--node-id={self.ray_id}"]
        command[0] = str(Path(sys.executable).with_name("ray"))
        reason = ["--reason=DRAIN_NODE_REASON_PREEMPTION", "--reason-message=spot"]
        done = subprocess.run(
            [*head.inside, *command, *reason, f"--deadline-remaining-seconds={deadline_s}"],
            env=head.env(),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr


def _family(init: int) -> list[psutil.Process]:
    """Every process in the namespace of a node's first one; those that entered it are not its children."""
    try:
        inside = Path(f"/proc/{init}/ns/pid").stat().st_ino
    except FileNotFoundError:
        return []
    found = []
    for process in psutil.process_iter():
        try:
            if Path(f"/proc/{process.pid}/ns/pid").stat().st_ino == inside:
                found.append(process)
        except (FileNotFoundError, PermissionError):
            continue
    return found


def _until_ready(process: "subprocess.Popen[str]") -> None:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line == "ready\n", f"{process.args!r}: ended with {process.wait(10)} before it was ready"
