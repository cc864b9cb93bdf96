"""The algorithm section: the four parts of the policy-gradient estimator and what goes around them
(``docs/objectives.md``)."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, field_validator

from rl.config.base import Section
from rl.config.choice import ONE_OF, Choice, OwnCode

Band = tuple[PositiveFloat, PositiveFloat]
"""(low, high) of a probability ratio."""


class AdaptiveKlConfig(Section):
    """A coefficient that moves with the KL that it leads to."""

    target: PositiveFloat
    """Mean KL per token, in nats, that the coefficient is moved towards."""
    horizon: PositiveInt = 100
    """Steps in which the coefficient can change by a factor of e^0.2."""


class KlConfig(Section):
    """Distance to a reference policy: the base that the run started from."""

    coefficient: NonNegativeFloat
    """Weight of the KL; 0.001 is usual."""
    estimator: Literal["k1", "k2", "k3"] = "k3"
    """Estimator of KL(policy || reference) from one sampled token; with place=loss k2 or k3, since the
    gradient of k1 is 0 on average."""
    place: Literal["loss", "reward"] = "loss"
    """``loss``: added to each token's loss (GRPO). ``reward``: taken from each token's reward (PPO,
    REINFORCE++)."""
    policy: Literal["auto", "copy", "adapter_off"] = "auto"
    """A frozen copy of the base, or the base under the adapter; ``auto`` takes the second where there is an
    adapter."""
    adaptive: AdaptiveKlConfig | None = None
    """Adapts the coefficient to a target; None = fixed."""

    @field_validator("coefficient")
    @classmethod
    def _is_on(cls, value: float) -> float:
        if value == 0:
            raise ValueError("at 0 a reference policy costs memory and does nothing; set algorithm.kl=null")
        return value


class _Critic(Choice):
    """The common settings of both kinds of a value function."""

    clip: PositiveFloat | None = 0.2
    """Values may move this far from those at the start of the batch before their gradient stops; None =
    free."""
    warmup_steps: NonNegativeInt = 0
    """Training batches in which only the critic learns."""


class SeparateCriticConfig(_Critic):
    """An engine of its own that starts from the base."""

    name: Literal["separate"] = "separate"
    """An engine of its own that starts from the base."""
    lr: PositiveFloat = 1e-3
    """Its peak learning rate."""
    grad_clip: NonNegativeFloat = 1.0
    """Global norm of its gradient; 0 = off."""


class SharedCriticConfig(_Critic):
    """A head on the policy's trunk, which learns with the policy's optimizer."""

    name: Literal["shared"] = "shared"
    """A head on the policy's trunk, which learns with the policy's optimizer."""
    coefficient: PositiveFloat = 0.5
    """Weight of the value loss beside the policy's."""


CriticConfig = Annotated[SeparateCriticConfig | SharedCriticConfig, ONE_OF]


class DemonstrationConfig(Section):
    """HPT: a group with too few successes is replaced by its prompt's demonstration (Lv et al. 2025, arXiv
    2509.04419)."""

    gate: NonNegativeInt = 0
    """Groups with at most this many successes switch."""
    coefficient: PositiveFloat = 1.0
    """Weight of a demonstration token's negative log-likelihood."""
    field: str = "demonstration"
    """Key of the prompt's metadata that holds the text."""


class BudgetConfig(Section):
    """BRPO: answers asked for at several thinking budgets (Qi et al. 2025, arXiv 2505.13438)."""

    tokens: tuple[PositiveInt, ...] = ()
    """Thinking tokens of each budget, rising; the last is the whole thinking."""
    prior: Literal["uniform", "linear", "last"] = "uniform"
    """How likely each budget is: alike, as its tokens, or always the last."""
    baseline: Literal["brpo", "own", "group", "none"] = "brpo"
    """``own``: the sample's earlier scores. ``group``: the group's mean. ``brpo`` moves from the second to
    the first."""
    summaries: PositiveInt = 4
    """Answers asked for at each budget."""
    summary_tokens: PositiveInt = 16
    """Most tokens of one of them."""
    end_of_thinking: str = " = "
    """Put where thinking is cut off; never trained on."""


class PlannerConfig(Section):
    """Training targets from the test-time planner: every prompt trains on pass@k of the k it would get when
    served."""

    budget_tokens: PositiveFloat = 128.0
    """Completion tokens that one query may cost at deployment, on average over the queries."""
    level: Literal["category", "prompt"] = "category"
    """The unit that has a k of its own. ``prompt`` needs prompts that come again."""
    every: PositiveInt = 5
    """Training steps between plans."""
    warmup_steps: NonNegativeInt = 10
    """Trains at k = 1 before; pass rates must be known first."""
    length_price: bool = False
    """Charge tokens at the plan's own price, in groups with a success."""
    price_warmup_steps: NonNegativeInt = 50
    """No charge before: a policy that seldom succeeds would learn to be short and wrong."""
    keep: float = Field(default=0.8, ge=0, lt=1)
    """Share of the old log k that a plan leaves."""
    dead_band: float = Field(default=1.25, ge=1)
    """A target moves only when the smoothed k has left it by this ratio."""
    k_max: PositiveInt = 64
    """Largest target."""
    quantile: float = Field(default=0.8, gt=0, lt=1)
    """Quantile of the posterior that targets are planned with: what its mean gives up would never be seen to
    improve."""
    anneal: float = Field(default=0.0, ge=0, le=1)
    """Last share of the run at k = 1, which wins pass@1 back."""
    retry_every: PositiveInt = 200
    """Steps after which what looks impossible is planned for as if it were not."""
    verifier_fpr: float = Field(default=0.0, ge=0, lt=1)
    """Share of wrong answers that the reward accepts (``t2rl rewards check`` estimates it)."""
    verifier_tpr: float = Field(default=1.0, gt=0, le=1)
    """Share of right answers that it accepts."""
    verifier_file: str | None = None
    """Both, from a file that ``t2rl rewards check --write-spec`` wrote, instead of the two above."""


class ShapingConfig(Section):
    """One change of the rewards before the advantages; raw correctness stays what it is."""

    name: str
    """A shipped shaping, or your own: ``pkg.module:attr`` or ``path/to/file.py:attr``."""
    args: dict[str, float | str] = Field(default_factory=dict)
    """Its settings, by its own names."""


class PlainAdvantage(Choice):
    """An estimator without settings."""

    name: Literal["grpo", "dr_grpo", "rloo", "max_rl", "reinforce_pp", "reinforce_pp_baseline"] = "grpo"
    """``grpo``, ``dr_grpo``, ``rloo`` and ``max_rl`` compare the rollouts of a prompt, ``reinforce_pp`` and
    ``reinforce_pp_baseline`` those of a batch."""


class GaeAdvantage(Choice):
    """Generalised advantage estimation with a critic (Schulman et al. 2015, arXiv 1506.02438)."""

    name: Literal["gae"] = "gae"
    """Generalised advantage estimation."""
    gamma: float = Field(default=1.0, gt=0, le=1)
    """Discount from token to token."""
    lam: float = Field(default=0.95, ge=0, le=1)
    """Weight of longer returns: 0 trusts the critic, 1 the reward."""
    whiten_rewards: bool = False
    """Divide the rewards of a batch's tokens by their standard deviation; they are not centred."""
    whiten: bool = True
    """Advantages of a batch to mean 0 and standard deviation 1 over its tokens."""
    critic: CriticConfig = SeparateCriticConfig()
    """The value function that rewards are measured against."""


class Passk(Choice):
    """The common settings of all estimators of pass@k."""

    k: PositiveInt = 1
    """k of the pass@k that is climbed."""


class PasskAdvantage(Passk):
    """The gain of a sample to the best of k: PKPO where it is quiet, posterior weights elsewhere."""

    name: Literal["passk"] = "passk"
    """Name of the preset, for the log."""
    planner: PlannerConfig | None = None
    """Sets k for each category or prompt instead of ``k``; None = ``k`` everywhere."""


class PasskVariant(Passk):
    """One fixed estimator of pass@k."""

    name: Literal["passk_s", "passk_s_loo", "passk_s_loo_minus_one", "passk_chen", "passk_weight"]
    """Which one; ``docs/objectives.md`` compares them."""


class BrpoAdvantage(Choice):
    """Thinking judged by the answers that could be given at each of several budgets."""

    name: Literal["brpo"] = "brpo"
    """Thinking judged by the answers that could be given at each of several budgets."""
    budgets: BudgetConfig = BudgetConfig()
    """The budgets, and how answers are asked for."""


Advantage = Annotated[
    PlainAdvantage | GaeAdvantage | PasskAdvantage | PasskVariant | BrpoAdvantage | OwnCode, ONE_OF
]


class NoMask(Choice):
    """Every token keeps its gradient."""

    name: Literal["none"] = "none"
    """Every token keeps its gradient."""


class ClipMask(Choice):
    """A token keeps its gradient while its ratio has not left the clip range in the direction that its
    advantage asks for."""

    name: Literal["clip"] = "clip"
    """PPO's clip."""
    clip_low: PositiveFloat = 0.2
    """Ratio floor is 1 - clip_low."""
    clip_high: PositiveFloat = 0.28
    """Ratio ceiling is 1 + clip_high (clip-higher when larger than clip_low)."""


class DualClipMask(Choice):
    """The clip, and a ceiling of the ratio where the advantage is negative."""

    name: Literal["dual_clip"] = "dual_clip"
    """PPO's clip, and a ceiling where the advantage is negative."""
    clip_low: PositiveFloat = 0.2
    """Ratio floor is 1 - clip_low."""
    clip_high: PositiveFloat = 0.28
    """Ratio ceiling is 1 + clip_high."""
    dual_clip: PositiveFloat = 10.0
    """Ratio ceiling for negative advantages."""


Mask = Annotated[NoMask | ClipMask | DualClipMask | OwnCode, ONE_OF]


class NoImportance(Choice):
    """Every token counts as it was sampled."""

    name: Literal["none"] = "none"
    """Every token counts as it was sampled."""


class CappedImportance(Choice):
    """Truncated importance weights from the sampler to the learner's weights at the start of the batch."""

    name: Literal["token", "sequence"]
    """A weight for each token, or one for the sequence."""
    cap: PositiveFloat = 2.0
    """The weights are at most this."""


Importance = Annotated[NoImportance | CappedImportance, ONE_OF]


class PlainLikelihood(Choice):
    """A gradient without settings."""

    name: Literal["token_ratio", "sequence_ratio", "log_likelihood"] = "token_ratio"
    """The token's ratio, the sequence's (GSPO), or log p alone (REINFORCE)."""


class TruncatedWeight(Choice):
    """log p times a truncated ratio, which is a constant (CISPO)."""

    name: Literal["truncated_weight"] = "truncated_weight"
    """log p times a truncated ratio, which is a constant (CISPO)."""
    clip_high: PositiveFloat = 0.28
    """The ratio is at most 1 + clip_high."""


class MirrorLikelihood(Choice):
    """Mirror descent (Kimi k1.5)."""

    name: Literal["mirror"] = "mirror"
    """Mirror descent (Kimi k1.5)."""
    tau: PositiveFloat = 0.1
    """Weight of the squared log-ratio."""


LikelihoodChoice = Annotated[PlainLikelihood | TruncatedWeight | MirrorLikelihood | OwnCode, ONE_OF]


class AlgorithmConfig(Section):
    """A named preset is a YAML file that fills these in."""

    LIMITS: ClassVar[frozenset[str]] = frozenset({"max_log_ratio", "advantage_clip"})

    name: str = "grpo"
    """Name of the preset, for the log."""
    mask: Mask = ClipMask()
    """Stabilisation mask: which tokens keep their gradient."""
    reference: Literal["behavior", "proximal", "current"] = "behavior"
    """Denominator of the ratio: the sampler, the learner's weights at the start of the step, or the detached
    current policy."""
    importance: Importance = NoImportance()
    """Truncated importance weights from the sampler to the reference."""
    token_band: Band | None = None
    """IcePop: tokens whose learner-to-sampler ratio is outside (low, high) lose their gradient; None =
    off."""
    sequence_band: Band | None = None
    """The same for whole sequences, by the geometric mean of their tokens' ratios."""
    advantage: Advantage = PlainAdvantage()
    """How rewards become advantages; ``docs/objectives.md`` has the formulas."""
    advantage_scale: Literal["none", "batch_rms"] = "none"
    """``batch_rms``: divided by one number for the whole update, which keeps the prompts' weights to each
    other."""
    likelihood: LikelihoodChoice = PlainLikelihood()
    """Where the gradient comes from."""
    aggregation: Literal["token", "sequence", "dr_grpo"] = "token"
    """``token``: sum / global count of valid tokens. ``sequence``: mean of per-sequence means. ``dr_grpo``:
    sum / (samples * max_tokens)."""
    group_weight: Literal["sample", "prompt"] = "sample"
    """``prompt`` gives groups of unequal size equal weight."""
    max_log_ratio: PositiveFloat = 20.0
    """Clamp before exp."""
    advantage_clip: NonNegativeFloat = 0.0
    """Symmetric clip on advantages; 0 = off."""
    kl: KlConfig | None = None
    """KL to the base that the run started from; None = no reference policy at all."""
    demonstrations: DemonstrationConfig | None = None
    """None: no demonstrations."""
    shaping: tuple[ShapingConfig, ...] = ()
    """Applied in order."""

    @property
    def critic(self) -> SeparateCriticConfig | SharedCriticConfig | None:
        """The value function, where the advantage asks for one."""
        return self.advantage.critic if isinstance(self.advantage, GaeAdvantage) else None

    @property
    def planner(self) -> PlannerConfig | None:
        """The planner that sets each prompt's k, if there is one."""
        return self.advantage.planner if isinstance(self.advantage, PasskAdvantage) else None

    @property
    def pass_k(self) -> int:
        """k of the pass@k that is climbed; 1 where the advantage knows none."""
        return self.advantage.k if isinstance(self.advantage, Passk) else 1
