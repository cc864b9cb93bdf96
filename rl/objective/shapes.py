"""Shape aliases of the objective: S = samples of one update, U = loss tokens of those samples, T = loss
tokens of one micro-batch.

They are annotations only; the tests check them at run time with beartype.
"""

from jaxtyping import Bool, Float, Integer
from torch import Tensor

PerToken = Float[Tensor, " T"]
"""One float per loss token of a micro-batch, flattened over its samples."""
TokenFlags = Bool[Tensor, " T"]
"""One flag per loss token."""
TokenIds = Integer[Tensor, " T"]
"""One index per loss token."""
PerUpdateToken = Float[Tensor, " U"]
"""One float per loss token of an update, in order of samples and positions."""
UpdateTokenIds = Integer[Tensor, " U"]
"""One index per loss token of an update."""
PerSample = Float[Tensor, " S"]
"""One float per rollout."""
SampleFlags = Bool[Tensor, " S"]
"""One flag per rollout."""
SegmentIds = Integer[Tensor, " S"]
"""Group index of each rollout, in any order; groups may have any size."""
Scalar = Float[Tensor, ""]
"""A loss."""
