"""Claims C1 and C3 on sizes below those of ``distinct``, several seeds a cell.

    t2rl bases build small --seed S --dir runs/bases/small-S --jobs 1        for S in 0, 1, 2
    t2rl bases eval runs/bases/small-S
    python -m benchmarks.t2.small runs/bases/small-0 runs/bases/small-1 runs/bases/small-2

Written and committed before any base of ``small`` was trained. On ``distinct`` the smallest size was the best
with one sample on isolines 3 and 5, so nothing could shift further; ``small`` adds 6k and 12k on the same
problems. Its level 5 is isoline 3 of ``distinct`` (five sizes, 6k to 100k), its level 6 is isoline 4 (six, to
200k). A level is judged where each of its cells has three seeds; a level with fewer is reported beside, not
judged. ``C_inf`` is 8 x 101,712 (100k) FLOPs a served token: 6k has 65 samples, 100k has 4.

An interval is the 2.5% to 97.5% percentile of 1,000 replicates (200 for surfaces); each draws the problems
once for all cells, and the seeds of each cell with replacement.

- V (is the question open?): the best cell of level 5 with one sample, mean over seeds, is not the smallest
  size, in at least .95 of the replicates.
- C1, surface: mean over the judged levels of log(r* with pass@k at C_inf / r* with pass@1), both optima from
  the family surface fitted to all bases of all seeds. Passes if P(> 0) >= .95 and neither optimum of the
  point fit lies on a limit of the search.
- C1, parabola: the same with the vertex of the parabola in log r through the best measured cell of a level
  and its two neighbours (mean over seeds); where the best cell is the first or the last of its level it is
  that cell, a bound. Passes if P(> 0) >= .95 and neither vertex of the point estimate is a bound.
- C1, cells: the best measured cell of each level in place of the vertex; reported, no threshold.
- C3: C1 (parabola) on the post-trained bases of seed 0, level 5, problems resampled alone. Passes if
  P(> 0) >= .95 and no bound. Expected: not larger than C1.

Expected: V passes, since 6k has a residual stream of 8 numbers; C1 by parabola is positive and small; the
surface may again lie on a limit, as its form has no floor for small N beyond A N^-alpha.
"""
