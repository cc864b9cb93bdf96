"""Shape aliases of the objective: S = samples of one update, T = loss tokens of one micro-batch, flattened over its samples.

They are annotations only; the tests check them at run time with beartype.
"""

from jaxtyping import Bool, Float, Integer
from torch import Tensor

PerToken = Float[Tensor, " T"]
"""One float per loss token."""
TokenFlags = Bool[Tensor, " T"]
"""One flag per loss token."""
PerSample = Float[Tensor, " S"]
"""One float per rollout."""
SegmentIds = Integer[Tensor, " S"]
"""Group index of each rollout, in any order; groups may have any size."""
Scalar = Float[Tensor, ""]
"""A loss."""
