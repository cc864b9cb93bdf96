"""BRPO: every stretch of thinking is judged by the answers that could be given from its end on, at each token
budget.

See docs/methods/objectives.md#thinking-budgets.
"""

import torch

from rl.config.algorithm import AlgorithmConfig, BrpoAdvantage, BudgetConfig
from rl.objective.advantages.estimate import Estimate
from rl.objective.advantages.group_relative import dr_grpo
from rl.objective.samples import Samples, Tokens
from rl.objective.segments import segment_mean


def brpo(samples: Samples, tokens: Tokens, config: AlgorithmConfig) -> Estimate:
    """[U] ``A_s = R_s - [s/S V1_s + (S - s)/S V2_s]`` for thinking tokens between budget s - 1 and s
    (0-based; Qi et al. 2025, AnytimeReasoner, arXiv 2505.13438), and Dr. GRPO's advantage for answers.

    ``aux.budget_scores`` [S, budgets] holds the mean score of the answers given at each budget; a row of
    NaN marks a sample that is itself an answer, whose group are the answers from the same cut-off thinking.
    """
    assert samples.aux.budget_scores is not None, "the run asks for answers at every budget with brpo"
    assert isinstance(config.advantage, BrpoAdvantage)
    budgets = config.advantage.budgets
    scores = samples.aux.budget_scores.double()
    answers = scores.isnan().all(1)
    of_sample = dr_grpo(samples, config).double()
    thinking = thinking_advantages(scores.nan_to_num(), samples.segment_ids, budgets)
    edges = torch.tensor(budgets.tokens)
    # A token at position p (from 0) is the (p + 1)-th: budget s covers tokens b_{s-1} + 1 to b_s.
    stretch = torch.searchsorted(edges, tokens.position + 1).clamp(max=len(edges) - 1)
    per_token = torch.where(
        answers[tokens.sample], of_sample[tokens.sample], thinking[tokens.sample, stretch]
    )
    return Estimate(advantages=per_token)


def thinking_advantages(
    scores: torch.Tensor, segment_ids: torch.Tensor, config: BudgetConfig
) -> torch.Tensor:
    """[S, budgets] float64, one advantage for each stretch of each sample's thinking; ``scores`` [S,
    budgets].

    R_s sums prior times score over the budgets still to come. V1_s predicts it from the sample's own earlier
    scores, each budget back counting half; V2_s is the group's mean of R_s. Early stretches have little of
    their own to go by, late ones much.
    """
    count = scores.shape[1]
    weights = prior(config)
    to_come = _from_here(weights * scores)
    halved = 2.0 ** torch.arange(count, dtype=torch.float64)
    before = torch.cat(
        [torch.zeros(len(scores), 1, dtype=torch.float64), (halved * scores).cumsum(1)[:, :-1]], dim=1
    )
    norm = torch.cat([torch.ones(1, dtype=torch.float64), halved.cumsum(0)[:-1]])
    own = before / norm * _from_here(weights)
    group = torch.stack([segment_mean(column, segment_ids) for column in to_come.T], dim=1)
    share = torch.arange(count, dtype=torch.float64) / count
    baseline = {
        "brpo": share * own + (1 - share) * group,
        "own": own,
        "group": group,
        "none": torch.zeros_like(group),
    }[config.baseline]
    return to_come - baseline


def prior(config: BudgetConfig) -> torch.Tensor:
    """[budgets] float64 probabilities of the budgets."""
    tokens = torch.tensor(config.tokens, dtype=torch.float64)
    if config.prior == "last":
        return (torch.arange(len(tokens)) == len(tokens) - 1).double()
    weights = tokens if config.prior == "linear" else torch.ones_like(tokens)
    return weights / weights.sum()


def _from_here(values: torch.Tensor) -> torch.Tensor:
    """Sums over the last axis from each place to the end."""
    return values.flip(-1).cumsum(-1).flip(-1)
