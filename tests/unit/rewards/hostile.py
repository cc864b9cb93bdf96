"""Rewards that misbehave on command, for the pool tests; each is named by import path from a verifier
process."""

import os
import signal
import sys
import time
from pathlib import Path

from rollout.types import Prompt, RewardResult

HEAVY = ("torch", "ray", "vllm", "deepspeed", "transformers")


class CommandReward:
    """Does what the text says: ``ok``, ``hang``, ``exit``, ``segv``, ``memory``, ``raise``, ``spawn PATH``,
    ``echo``, ..."""

    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> RewardResult:
        command, _, argument = text.partition(" ")
        action = getattr(self, f"do_{command}", None)
        return (
            action(prompt, argument)
            if action
            else RewardResult(value=1.0, correct=True, components={"length": len(text)})
        )

    def do_wrong(self, prompt: Prompt, argument: str) -> RewardResult:
        return RewardResult(value=0.0, correct=False, reason="wrong")

    def do_sleep(self, prompt: Prompt, argument: str) -> RewardResult:
        time.sleep(float(argument))
        return RewardResult(value=float(argument), correct=True)

    def do_hang(self, prompt: Prompt, argument: str) -> RewardResult:
        return RewardResult(value=float(9**9**9), correct=True)  # never lets go of the interpreter lock

    def do_exit(self, prompt: Prompt, argument: str) -> RewardResult:
        os._exit(0)

    def do_quit(self, prompt: Prompt, argument: str) -> RewardResult:
        sys.exit(3)

    def do_segv(self, prompt: Prompt, argument: str) -> RewardResult:
        os.kill(os.getpid(), signal.SIGSEGV)
        raise AssertionError("unreachable")

    def do_memory(self, prompt: Prompt, argument: str) -> RewardResult:
        return RewardResult(value=float(len(bytearray(int(argument) << 20))), correct=True)

    def do_raise(self, prompt: Prompt, argument: str) -> RewardResult:
        raise LookupError(argument)

    def do_nan(self, prompt: Prompt, argument: str) -> RewardResult:
        return RewardResult(value=float("nan"), correct=True)

    def do_sandbox(self, prompt: Prompt, argument: str) -> RewardResult:
        from rewards.sandbox import SandboxError

        raise SandboxError(argument)

    def do_text(self, prompt: Prompt, argument: str) -> str:
        return "right"

    def do_none(self, prompt: Prompt, argument: str) -> RewardResult:
        return None  # type: ignore[return-value]

    def do_echo(self, prompt: Prompt, argument: str) -> RewardResult:
        return RewardResult(
            value=0.0, correct=False, reason=repr((prompt.answer, dict(prompt.metadata), prompt.token_ids))
        )

    def do_modules(self, prompt: Prompt, argument: str) -> RewardResult:
        return RewardResult(
            value=0.0, correct=False, reason=",".join(name for name in HEAVY if name in sys.modules)
        )

    def do_print(self, prompt: Prompt, argument: str) -> RewardResult:
        print("not a message of the protocol", flush=True)
        return RewardResult(value=1.0, correct=True)

    def do_spawn(self, prompt: Prompt, argument: str) -> RewardResult:
        """Leave a child of our own behind, then hang: the kill must take both."""
        child = os.fork()
        if child == 0:
            time.sleep(600)
            os._exit(0)
        Path(argument).write_text(str(child))
        time.sleep(600)
        raise AssertionError("unreachable")


def broken() -> CommandReward:
    raise RuntimeError("no model file")


def dies() -> CommandReward:
    os._exit(4)


class LeakyReward:
    """Keeps as many MiB for ever as the text says."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []

    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> RewardResult:
        self.kept.append(b"x" * (int(text) << 20))
        return RewardResult(value=float(len(self.kept)), correct=True)


class CountingReward:
    """Its value is how often it was asked: what was remembered shows."""

    pure = True

    def __init__(self, *, seconds: float = 0.001) -> None:
        self.asked, self.seconds = 0, seconds

    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> RewardResult:
        self.asked += 1
        if self.seconds:
            time.sleep(self.seconds)
        return RewardResult(value=float(self.asked), correct=True, judged=text != "raise")


class ImpureReward(CountingReward):
    """Says so."""

    pure = False
