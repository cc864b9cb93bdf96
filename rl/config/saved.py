"""Configs that a run directory keeps, of earlier versions, in today's form.

A run of T2RL 0.1.0 kept every field, those included that its choices did not read. A user's own file is not
rewritten: an old name there is an error that says where it went (``rl.config.moved``).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from rl.config import algorithm, learner
from rl.config.choice import names_of

Tree = dict[str, Any]


def is_of_a_run(folder: Path) -> bool:
    """True for a run directory, or a checkpoint in one."""
    return any((place / "attempts.jsonl").is_file() for place in (folder, folder.parent.parent))


def in_todays_form(tree: Tree) -> Tree:
    """Return the tree with the settings of choices below their choice; one of today comes back as it is."""
    if "muon_lr" not in (tree.get("learner") or {}):
        return tree
    return tree | {"learner": _learner(tree["learner"]), "algorithm": _algorithm(tree["algorithm"])}


def _learner(old: Mapping[str, Any]) -> Tree:
    new = dict(old)
    muon = {"muon_lr": new.pop("muon_lr"), "momentum": new.pop("muon_momentum")}
    falling = {
        "min_lr_ratio": new.pop("min_lr_ratio"),
        "decay_share": new.pop("schedule_decay_share"),
        "decay_shape": new.pop("schedule_decay_shape"),
        "exponent": new.pop("schedule_exponent"),
        "phi": new.pop("schedule_phi"),
    }
    ranks = {"sequence_parallel": new.pop("sequence_parallel")}
    offload = {name: new.pop(f"offload_{name}") for name in ("optimizer", "parameters", "path")}
    off = offload["optimizer"] == offload["parameters"] == "none"
    return new | {
        "optimizer": _choice(learner.Optimizer, old["optimizer"], muon),
        "schedule": _choice(learner.Schedule, old["schedule"], falling),
        "packing": _choice(learner.Packing, old["packing"], ranks),
        "offload": None if off else offload,
    }


def _algorithm(old: Mapping[str, Any]) -> Tree:
    new = dict(old)
    clip = {name: new.pop(name) for name in ("clip_low", "clip_high", "dual_clip")}
    critic = dict(new.pop("critic") or {})
    kind = critic.pop("kind", "separate")
    estimators = {
        "k": new.pop("pass_k"),
        "planner": new.pop("planner"),
        "budgets": new.pop("budgets"),
        **new.pop("gae"),
        "critic": _choice(algorithm.CriticConfig, kind, critic),
    }
    kl = dict(new.pop("kl"))
    target, horizon = kl.pop("target"), kl.pop("horizon")
    kl["adaptive"] = None if target is None else {"target": target, "horizon": horizon}
    return new | {
        "mask": _choice(algorithm.Mask, old["mask"], clip),
        "importance": _choice(algorithm.Importance, old["importance"], {"cap": new.pop("importance_cap")}),
        "likelihood": _choice(
            algorithm.LikelihoodChoice, old["likelihood"], {"tau": new.pop("mirror_tau"), **clip}
        ),
        "advantage": _choice(algorithm.Advantage, old["advantage"], estimators),
        "kl": kl if kl["coefficient"] else None,
    }


def _choice(union: Any, name: str, settings: Mapping[str, Any]) -> Tree:
    """The choice of this name with those of the settings that it reads."""
    kinds = get_args(get_args(union)[0])
    kind = next(kind for kind in kinds if name in names_of(kind))
    return {"name": name} | {key: value for key, value in settings.items() if key in kind.model_fields}
