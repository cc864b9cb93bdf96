"""The model card: metadata that the Hub indexes, and a page for people."""

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from planner.estimators.bootstrap import Difference, Interval
from rl.commands.push.facts import Facts
from rl.evaluation.summary import OVERALL, EvaluationSummary, SummaryLine

CURVES = "curves.png"
CONFIG = "t2rl_config.yaml"
METHODS = {"sft": "supervised fine-tuning", "dpo": "direct preference optimization"}


def model_card(facts: Facts, *, repo: str | None, licence: str | None, curves: bool) -> ModelCard:
    """The card of a run's model.

    Args:
        facts: of the run.
        repo: ``owner/name`` that it will have on the Hub; None for a directory.
        licence: a Hub licence id; None leaves the line out and says that nobody named one.
        curves: the picture ``CURVES`` lies beside the card.
    """
    data = ModelCardData(
        base_model=facts.base_on_hub,
        eval_results=_results(facts) or None,
        library_name="transformers",
        license=licence,
        model_name=facts.title,
        pipeline_tag="text-generation",
        tags=["t2rl", "reinforcement-learning" if facts.command == "train" else facts.command]
        + ([facts.method] if facts.method else []),
    )
    sections = [
        f"# {facts.title}",
        _what_it_is(facts),
        *(["## Results", _table(facts.summary, facts.split)] if facts.summary else [_not_evaluated(facts)]),
        *([f"![Training and held-out curves]({CURVES})"] if curves else []),
        "## Use",
        _use(repo or "DIRECTORY"),
        "## Training",
        _training(facts),
        "## Limits",
        _limits(facts, licence),
    ]
    return ModelCard(f"---\n{data.to_yaml()}\n---\n\n" + "\n\n".join(sections) + "\n")


def _what_it_is(facts: Facts) -> str:
    how = METHODS.get(facts.command, f"reinforcement learning with verifiable rewards ({facts.method})")
    return (
        f"Base: {facts.base}. Post-trained by {how} on {facts.data}, with T2RL {facts.version}"
        f" (train-to-test reinforcement learning), for {facts.steps:,} steps."
    )


def _not_evaluated(facts: Facts) -> str:
    if facts.command == "train":
        return "The weights of this step were not evaluated on held-out problems beside their base."
    return f"`t2rl {facts.command}` evaluates nothing held out; `t2rl eval` measures this model."


def _table(summary: EvaluationSummary, split: str) -> str:
    lines = [
        f"Held-out {split} set, {summary.confidence:.0%} intervals over problems (bootstrap); differences are"
        " paired.",
        "",
        "| problems | metric | temperature | base | trained | difference |",
        "|---|---|---|---|---|---|",
    ]
    main = summary.lines[0].temperature
    for line in summary.lines:
        if line.category == OVERALL or line.temperature in (0, main):
            before = _span(line.before) if line.before else ""
            difference = _span(line.difference, sign="+") if line.difference else ""
            cells = (f"{line.category} ({line.num_problems})", line.metric, f"{line.temperature:g}")
            lines.append(f"| {' | '.join((*cells, before, _span(line.after), difference))} |")
    return "\n".join(lines)


def _span(value: Interval | Difference, *, sign: str = "") -> str:
    return f"{value.value:{sign}.3f} ({value.low:{sign}.3f} to {value.high:{sign}.3f})"


def _use(repo: str) -> str:
    return f"""```python
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("{repo}")
model = AutoModelForCausalLM.from_pretrained("{repo}")
```"""


def _training(facts: Facts) -> str:
    rows = [
        ("command", f"`t2rl {facts.command} {CONFIG}`, the whole configuration is in `{CONFIG}`"),
        ("objective", facts.method or METHODS[facts.command]),
        ("curriculum", facts.curriculum),
        ("data", facts.data),
        ("steps", f"{facts.steps:,}"),
        ("sampled tokens", f"{facts.tokens:,}" if facts.tokens else ""),
        ("seconds of training", f"{facts.seconds:,.0f}" if facts.seconds else ""),
        *((f"{name.replace('_', ' ')}, in total", f"{value:,.6g}") for name, value in facts.cost.items()),
    ]
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {said} |" for name, said in rows if said)])


def _limits(facts: Facts, licence: str | None) -> str:
    said = [
        "The model was rewarded by automatic verifiers on the data above and measured on problems of the same"
        " kind; nothing is known of it elsewhere, and nobody examined it for safety.",
    ]
    if licence is None:
        said.append("No licence was named for these weights. Those of base and data hold in any case.")
    return "\n\n".join(said)


def _results(facts: Facts) -> list[EvalResult]:
    lines: list[SummaryLine] = [
        line for line in (facts.summary.lines if facts.summary else ()) if line.category == OVERALL
    ]
    return [
        EvalResult(
            task_type="text-generation",
            dataset_type="other",
            dataset_name=f"{facts.data} (held-out {facts.split} set)",
            metric_type=line.metric,
            metric_name=f"{line.metric} at temperature {line.temperature:g}",
            metric_value=round(line.after.value, 4),
        )
        for line in lines
    ]
