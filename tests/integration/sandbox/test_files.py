"""The job's directory: what stays for later steps, what is thrown away, what comes back."""

from pathlib import Path

import pytest

from rewards.sandbox import Job, Limits, Outcome, Step, Stop


def shell(script: str, **fields) -> Step:
    return Step(argv=("sh", "-c", script), **fields)


def texts(outcomes: list[Outcome]) -> list[str]:
    return [outcome.stdout.decode().strip() for outcome in outcomes]


def test_compile_then_run(sandbox):
    source = b'#include <stdio.h>\nint main(void) { int a; scanf("%d", &a); printf("%d\\n", a * 2); }'
    compile_step = Step(argv=("cc", "main.c", "-o", "main"), keeps_changes=True)
    runs = [Step(argv=("./main",), stdin=str(n).encode()) for n in (3, 4)]
    assert texts(sandbox.run(Job(files={"main.c": source}, steps=[compile_step, *runs]))) == ["", "6", "8"]


def test_changes_are_kept_or_not(sandbox):
    steps = [
        shell("echo 1 > made; mkdir sub; ln -s made link; echo x > /tmp/t", keeps_changes=True),
        shell("cat made link; ls -d sub; ls /tmp; echo 2 > made; rm given; echo 3 > sub/new; chmod 000 sub"),
        shell("cat made given; ls sub"),
    ]
    assert texts(sandbox.run(Job(files={"given": b"given"}, steps=steps))) == ["", "1\n1\nsub", "1\ngiven"]


def test_a_last_step_leaves_nothing_to_the_next_job(sandbox):
    sandbox.run(Job(files={}, steps=[shell("echo x > mark; echo x > /tmp/mark; echo x > /dev/shm/mark")]))
    assert texts(sandbox.run(Job(files={}, steps=[shell("ls . /tmp /dev/shm | grep mark")]))) == [""]


def test_stop_at_failure(sandbox):
    steps = [shell("exit 1"), shell("echo on")]
    assert len(sandbox.run(Job(files={}, steps=steps))) == 1
    assert texts(sandbox.run(Job(files={}, steps=steps, stop_at_failure=False))) == ["", "on"]


def test_collect(sandbox):
    script = (
        "echo out > out; mkdir d; echo in > d/in; ln -s /etc/passwd link; ln -s / root; mkfifo pipe; echo x"
        " >> given"
    )
    names = ("out", "d/in", "given", "link", "root/etc/passwd", "pipe", "d", "absent")
    [outcome] = sandbox.run(Job(files={"given": b"y"}, steps=[shell(script, collect=names)]))
    assert outcome.files == {"out": b"out\n", "d/in": b"in\n", "given": b"yx\n"}


def test_links_lead_neither_the_copy_nor_the_collection_to_the_host(sandbox, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    steps = [
        shell(f"ln -s {secret} s; ln -s {tmp_path} d", keeps_changes=True, collect=("s", "d/secret")),
        shell(f"cat s d/secret; echo overwritten > s; ls {tmp_path}", collect=("s", "d/secret")),
        shell("true", keeps_changes=True, collect=("s", "d/secret")),
    ]
    outcomes = sandbox.run(Job(files={}, steps=steps, stop_at_failure=False))
    assert all(outcome.files == {} and outcome.stdout == b"" for outcome in outcomes)
    assert secret.read_text() == "secret"


@pytest.mark.parametrize(
    "script",
    [
        "mkfifo p",
        "for i in $(seq 70); do mkdir d && cd d; done",
        "for i in $(seq 9); do truncate -s 60M $i; done",
        "dd if=/dev/zero of=x bs=1M count=30; for i in $(seq 9); do ln x x$i; done",
    ],
)
def test_what_cannot_be_kept(sandbox, script):
    """Only what the next step's copy needs is asked; thrown away, anything goes."""
    kept = sandbox.run(Job(files={}, steps=[shell(script, keeps_changes=True), shell("true")]))
    assert [outcome.stop for outcome in kept] == [Stop.DISK]
    assert len(sandbox.run(Job(files={}, steps=[shell(script), shell("true")]))) == 2


def test_disk_limit_counts_from_the_step(sandbox):
    limits = Limits(disk_mib=8)
    scripts = [f"dd if=/dev/zero of=x{i} bs=1M count=6 2>/dev/null" for i in range(3)]
    steps = [shell(script, keeps_changes=True, limits=limits) for script in scripts]
    assert [outcome.stop for outcome in sandbox.run(Job(files={}, steps=steps))] == [Stop.EXIT] * 3


@pytest.mark.parametrize("name", ["/etc/x", "../x", "a/../../x", "", "a\0b"])
def test_names_that_lead_out(sandbox, name):
    with pytest.raises(ValueError, match="relative"):
        sandbox.run(Job(files={name: b""}, steps=[shell("true")]))


def test_nothing_is_written_on_the_host(sandbox):
    places = [Path("/tmp"), Path("/dev/shm"), Path.cwd(), Path.home()]
    before = {place: {path.name for path in place.iterdir()} for place in places}
    sandbox.run(
        Job(
            files={"t2rl_probe": b"x"},
            steps=[shell("touch t2rl_probe2 /tmp/t2rl_probe3 /dev/shm/t2rl_probe4; cd; touch t2rl_probe5")],
        )
    )
    new = {name for place in places for name in {path.name for path in place.iterdir()} - before[place]}
    assert not [name for name in new if name.startswith("t2rl_probe")]


def test_many_files(sandbox):
    files = {f"d{i % 10}/f{i}": b"x" * 100 for i in range(500)}
    assert texts(
        sandbox.run(
            Job(files=files, steps=[shell("find . -type f | wc -l"), shell("find . -type f | wc -l")])
        )
    ) == [
        "500",
        "500",
    ]
