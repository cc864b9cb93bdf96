"""Decode strategies: how the samples of one query are drawn, judged, and turned into an answer."""

from planner.strategies.base import Strategy
from planner.strategies.best_of_n import BestOfN
from planner.strategies.majority import MajorityVote
from planner.strategies.repeated import RepeatedSampling
from planner.strategies.weighted import WeightedVote

STRATEGIES: dict[str, type[Strategy]] = {
    "repeated_sampling": RepeatedSampling,
    "majority": MajorityVote,
    "weighted_vote": WeightedVote,
    "best_of_n": BestOfN,
}
"""Names as in ``ServingPlan.strategy``."""
