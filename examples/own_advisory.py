r"""An advisory of your own: the learner waits most of the time.

Check it, then name it in a run::

    t2rl advisories check examples/own_advisory.py:idle_learner
    t2rl train quickstart 'run.advisories=[examples/own_advisory.py:idle_learner]'
"""

from rl.records.advisories import WINDOW, History


def idle_learner(early: History, latest: History) -> str | None:
    """The learner waits for rollouts for most of each of the latest steps."""
    shares = [row["time/learner_idle_share"] for row in latest if "time/learner_idle_share" in row]
    if len(shares) < WINDOW or min(shares) < 0.8:
        return None
    return (
        f"the learner waits {min(shares):.0%} of the time: give the engines more of the machine, or raise"
        " stream.max_staleness"
    )
