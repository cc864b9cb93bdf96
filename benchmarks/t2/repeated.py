"""Repeated data with known repetition: does the effective-token term predict held-out cells?

    t2rl bases build repeated --unique-tokens U --seed S --dir runs/bases/repeated/uU-sS --jobs 1
    t2rl bases eval runs/bases/repeated/uU-sS
    python -m benchmarks.t2.repeated runs/bases/repeated/*

Written and committed before any base of ``repeated`` was trained. U is 500,000, 250,000, 125,000, 62,500 and
31,250 distinct tokens, S is 0, 1, 2; sizes 25k and 50k at D/N of 2.5, 5 and 10, so the longest run of 50k
(half a million tokens) sees its data 1, 2, 4, 8 and 16 times. Ninety bases. The score is the held-out NLL of
the answer (likelihood mode).

Held out are the cells that saw their data most often: D/U of 7 or more (12 of the 90 bases). The rest is
fitted, by least squares in NLL. Compared on the held-out bases, by mean absolute error of the NLL: no term
(Chinchilla's law in D), distinct tokens alone (the law in min(D, U)), the term with the published R* = 15.39,
and the term with R* fitted (planner/t2/repeated.py, arXiv 2305.16264).

- R1: the term with R* fitted predicts better than no term: the 95% interval of the paired difference of mean
  absolute errors lies below 0.
- R2: R* is inside the range of the fit (not on its limits), on the fitted cells and on all cells.
- R3: it predicts better than the nearest fitted cell (in log N, log D, log U): the interval of the difference
  lies below 0.

Intervals: 500 replicates, seeds drawn with replacement for each (N, D, U).

Expected: R1 passes; R2 passes with R* below 15, because short answers are memorised sooner
than text; R3 is open. The law cannot rise with D, so where the NLL of a repeated cell is
above that of a shorter run, every law here misses it.
"""
