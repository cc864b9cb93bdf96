"""T² on real pretraining: nine Pythia sizes (14M to 12B), checkpoints of 2B to 300B tokens, GSM8K and MATH.

    python -m benchmarks.t2.pythia --data DIR

DIR holds ``pythia_learning_trajectories.jsonl``: success counts of each problem under each checkpoint (rows
{benchmark, model, problem_idx, checkpoints: [{train_tokens, n, correct}]}), as published with Schaeffer et
al., arXiv 2502.17578. The file has no licence and is not shipped.

Written and committed before any surface was fitted. What had been looked at: for each cell the number of
problems, the range of n, the mean of c/n and how many problems were solved. Each benchmark is judged alone.

**Data.** A cell is (size, checkpoint). N counts the weights outside the input embedding (layers and output
matrix: what is multiplied for each token); the choice matters at 14M and 70M, so the non-embedding count is
reported beside it. Cells below 2B tokens are left out: their pass@1 is near 1e-6. Problems are those with a
row in every cell. A cell is *readable* with 10 successes or more; approaches 1 and 2 are fitted to readable
cells, the family to all. Samples go from 128 (12B) to 1e6 (14M) a problem and grew where nothing was solved:
counts are used as counts, and pass@k of a problem with fewer than k samples is read at its n.

**What the data cannot say.** Problems that no checkpoint solved are not in the file (91 GSM8K and 86 MATH
problems are; the published sample had 128 of each). Checkpoints lie on one cosine schedule of 300B tokens and
are not annealed, so a cell of few tokens is worse than a run of that length would be: this pulls optima
towards fewer weights and more tokens, at k = 1 and at large k alike. The file has no likelihoods: approach 1
is fitted to the posterior mean of -log pass@k, and approach 2 takes that at k = 1 as its loss. Neither is
T²'s loss.

**Isolines**: C = 6ND = 1e19, 1e20, 1e21, 1e22; a measured cell belongs to one within a factor of 2. C_inf is
8 times the largest N (12B has 4 samples, 14M about 6,000); 2 and 32 times are reported.

**Claims**, with 95% percentile intervals over problems, 200 replicates:

- S1, shift at equal inference FLOPs: the mean over isolines of log(r* at k = C_inf/2N over r* at k = 1),
  family surface; passes with P(> 0) >= .95.
- S2, shift at equal k: the same with k = 64 for every N; P(> 0) >= .95.
- S3, S1 without a surface: the best measured cells of each isoline with three cells or more; P(> 0) >= .95.
- E1, largest N held out: mean absolute log error of pass@1, 4, 16, 64 over its readable cells, nearest cell
  minus family; P(> 0) >= .95.
- E2, largest D held out: the same.
- E3, as T² reports it: relative error of approach 1 in its loss <= 5%, of approach 2 in pass@k <= 15%, on
  both hold-outs.
- R, rank of cells: Spearman of family against measured pass@64 over the held-out readable cells >= .8, both.
- A, absent problems: the verdicts of S1, S3 and R stay when absent problems are put back unsolved, up to 128
  problems and up to the whole benchmark (1,319 and 5,000).

Expected before the fit: S1 passes on both; S2 is near 0; E2 fails, since the nearest cell (200B of the same
size) is a strong baseline; E3 fails, since rates span three orders of magnitude.
"""
