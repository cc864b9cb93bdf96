"""Lines about a suite's progress: few, and with a forecast once there is something to go by."""

from rl.commands.suites.progress import SuiteProgress


def test_a_line_now_and_then_with_a_forecast_that_is_the_pace_so_far() -> None:
    now = [0.0]
    said: list[str] = []
    progress = SuiteProgress("m: gsm8k", 100, said.append, clock=lambda: now[0])
    for at, completions in ((10, 5), (16, 2), (20, 3), (40, 40), (50, 49), (60, 1)):
        now[0] = at
        progress(completions)
    assert said == [
        "m: gsm8k, 7 of 100 completions",
        "m: gsm8k, 50 of 100 completions, about 40 s left",
    ], "none within 15 s of the last, none at the end"
