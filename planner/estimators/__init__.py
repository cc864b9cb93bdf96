"""Statistics of counts: selection metrics, intervals, difficulty models fitted to counts, scaling laws, rare
successes, clusters."""
