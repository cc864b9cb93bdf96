"""Who gets how many samples: a token budget divided over queries with Beta posteriors."""

from planner.allocation.groups import allocate_groups
from planner.allocation.index_policy import IndexPolicy
from planner.allocation.parallel import ParallelAllocation, allocate_parallel
from planner.allocation.sequential import Queries, SequentialAllocation, allocate_sequential
from planner.allocation.table import TableAllocation, allocate_table

__all__ = [
    "IndexPolicy",
    "ParallelAllocation",
    "Queries",
    "SequentialAllocation",
    "TableAllocation",
    "allocate_groups",
    "allocate_parallel",
    "allocate_sequential",
    "allocate_table",
]
