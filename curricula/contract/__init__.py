"""The contract that every curriculum part must keep, ours or a user's, as checks that anybody can run: ``t2rl
curriculum check``."""

from curricula.contract.run import run_contract
from rollout.contract import Finding

__all__ = ["Finding", "run_contract"]
