"""The API reference: what is public, by page and module. mkdocstrings fills it from the docstrings."""

from dataclasses import dataclass

from deploy.site.reference.words import table

FOLDER = "reference/api"
_INTRO = """# API

Code of yours may import these names: they are kept, or a line in [Changes](../../files/CHANGELOG.md) says
what happened to them. Everything else is internal. The [map of the house](../../architecture.md) says how
the parts work together; [examples](../../files/examples/index.md) has a plug-in of each kind.

"""


@dataclass(frozen=True, slots=True)
class Part:
    """One page of the reference."""

    about: str
    modules: dict[str, tuple[str, ...]]
    """Module -> its public names; () for everything in it that has a docstring."""


API = {
    "types": Part(
        "The shared types: a prompt, a completion, a group of them, a verdict. Every plug-in sees them.",
        {"rollout.types": ()},
    ),
    "rewards": Part(
        "A reward is a callable that judges one completion; the pool runs it in killable processes.",
        {
            "rewards": ("build_reward", "check_reward"),
            "rewards.verdicts": (),
            "rewards.processes.pool": ("VerifierPool",),
        },
    ),
    "curricula": Part(
        "A curriculum part is a class with the hooks that it needs; a stack composes the slots.",
        {
            "curricula.base": (),
            "curricula.traits": ("Trait",),
            "curricula": ("build_curriculum",),
            "rollout.statistics": ("StatisticsStore",),
        },
    ),
    "objective": Part(
        "Advantages, masks and likelihoods are functions; the estimator puts them together.",
        {
            "rl.objective.estimator": (),
            "rl.objective.samples": (),
            "rl.objective.advantages": ("AdvantageFunction", "every_token", "resolve_advantage"),
            "rl.objective.masks": (),
            "rl.objective.likelihood": ("Likelihood", "BoundedTokens"),
            "rl.objective.terms": ("UpdateTerms", "update_terms"),
        },
    ),
    "tasks": Part(
        "A task gives the prompts of each split, and says which reward judges them.",
        {"rl.tasks.base": ()},
    ),
    "planner": Part(
        "What counts say about pass@k, how sure that is, and who gets how many samples.",
        {
            "planner.types": (),
            "planner.estimators.pass_at_k": (),
            "planner.planner": (),
        },
    ),
    "stream": Part(
        "Plans, step tickets, and the buffer between sampling and training.",
        {"rl.stream.buffer": ("StreamBuffer",), "rl.stream.tickets": ("Tickets",)},
    ),
    "config": Part(
        "A config from Python: load one, and ask what its fields mean.",
        {
            "rl.config.load": ("load_config", "preview", "dump_config"),
            "rl.config.errors": ("ConfigError",),
            "rl.config.explain": ("explain", "Explained"),
        },
    ),
    "runs": Part(
        "A run directory as data: rows, evaluations, samples, state. Files only: no torch, Ray or vLLM.",
        {"rl.views.run_view": ("RunView",)},
    ),
    "records": Part(
        "Rules over the rows of a run, and what they say.",
        {"rl.records.advisories": ()},
    ),
}


def pages() -> dict[str, str]:
    """{page: Markdown}."""
    rows = [(f"[{name}]({name}.md)", part.about) for name, part in API.items()]
    made = {f"{FOLDER}/{name}.md": _page(name, part) for name, part in API.items()}
    return {f"{FOLDER}/index.md": _INTRO + table(("page", "what it holds"), rows), **made}


def _page(name: str, part: Part) -> str:
    parts = [f"# API: {name}\n\n{part.about}\n"]
    for module, names in part.modules.items():
        parts.append(f"## `{module}`\n")
        parts += [f"::: {module}.{one}\n" for one in names] or [_whole(module)]
    return "\n".join(parts)


def _whole(module: str) -> str:
    options = ("show_root_heading: false", "show_root_toc_entry: false")
    return "\n      ".join([f"::: {module}\n    options:", *options]) + "\n"
