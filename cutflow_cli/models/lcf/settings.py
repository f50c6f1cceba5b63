"""Settings of Learnable Cut Flow, with the publication as a preset.

Where the published method has known weaknesses the defaults differ; `preset="lcf"` is the published method to the
letter. Fault by fault:

1. *An edge cut empties the sequential flow* (the events kept are those that both neurons keep, which for an edge cut
   are none). Mended: the events that the cut as applied keeps go on (`mask="applied"`). If fewer than
   `min_effective_events` effective events of a class are left, the next observable trains on all, and it is said.
2. *The unused neuron of a one-sided cut narrows the sequential flow.* Mended by the same rule.
3. *Importance is not identified by the loss*, which depends on the product of weight and importance alone; it is a
   product of the optimiser's path, and so is the 5 % rule. Stated: beside each importance stands the loss of the flow
   without that cut, and replicas show how stable it is.
4. *The objective is cross entropy per observable*, so boundaries sit at equal likelihood whatever the cross sections,
   and correlated cuts over-cut. Mended on request: `objective` refines the flow for a figure of merit. Stated: a
   negative N-1 loss shows a cut that the flow is better without. Class-balanced event weights keep the boundaries
   independent of how many events were simulated.
5. *Averaged cuts mix runs that found different regions.* Mended: the consensus takes the majority's region.
6. *Centres are set by hand.* Mended: the signal's trimmed mean on the training split, unless given.
7. *Outliers stretch the unit in which an observable is trained*, the standard deviation, so that boundaries stay where
   they started, *and long tails pull them*, since a straight line in the logit has to fit them too; the paper deletes
   such events. Mended: the unit is half the 16-84 % interval (`scale="quantiles"`), and values outside the 5-95 %
   interval, in which both classes count alike, do not count in the loss of their own observable (`trim=0.05`).
8. *A neuron that does not separate is ignored*, and the other may then reject every event, with a boundary beyond the
   data. Mended: each neuron decides about its own side (`combination="by-side"`), and a cut that would keep no signal
   event is not applied.
9. *A number of epochs is a number of steps only for one size of sample*: a small one stops long before its boundaries
   have settled. Mended: as many epochs as make the paper's 39 200 steps (`epochs=None`).
10. *Errors cover retraining alone.* Mended in evaluation: statistical errors stand beside the spread.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from cutflow_cli.errors import UsageError
from cutflow_cli.metrics.figures_of_merit import MIN_EFFECTIVE_EVENTS
from cutflow_cli.metrics.objectives import Objective
from cutflow_cli.models import settings as general
from cutflow_cli.models.box.settings import OPTIMISM_FOLDS, OptimismFolds
from cutflow_cli.models.protocol import Settings
from cutflow_cli.models.refine.settings import goal_of, refuse_unused
from cutflow_cli.models.weights import ClassWeights, NegativeWeights

Strategy = Literal["parallel", "sequential"]
MaskRule = Literal["applied", "published"]
Combination = Literal["by-side", "published"]
Scale = Literal["quantiles", "moments"]
CutOrder = Literal["given", "learned"]


class LcfSettings(Settings):
    """Settings of `lcf-parallel` and `lcf-sequential`.

    Attributes:
        strategy: whether an observable sees all events or those that earlier cuts keep.
        preset: `lcf` for the published method to the letter.
        order: in a sequential flow, cuts in the order of the features as `given`, or `learned` from a short parallel
            training (`cutflow_cli.models.lcf.order`).
        centers: where an observable is divided; the signal's trimmed mean on train for those not given.
        epochs: passes over the training split; None for as many as make the optimiser steps of the paper.
        batch_size: events per step.
        learning_rate: Adam's.
        threshold: output of a neuron above which it passes an event.
        min_importance: a cut is not applied if its importance is at most this share of the uniform one, 1/n.
        class_weights: `balanced`, `physical` or `unit` event weights in the loss.
        negative_weights: what training does with negative weights.
        bootstrap: give each replica its own Poisson(1) weights, so that the spread covers the training sample too; None
            for where an objective is pursued by several replicas, which would end at the same events without.
        scale: unit in which an observable is trained: median and half the 16-84 % interval (`quantiles`), or mean and
            standard deviation (`moments`, as published).
        trim: share of an observable's values, at either end, that do not count in its own loss; both classes weigh
            the same in that share.
        combination: how an observable's two neurons become one cut: each decides about its own side of the centre
            (`by-side`), or as `published`.
        mask: which events go on in a sequential flow: those of the cut as `applied`, or, as `published`, those that
            both neurons keep.
        min_effective_events: with `mask="applied"`, fewer effective events of a class than this, and the next
            observable trains unmasked.
        tidy: drop boundaries that reject no training event, and cuts that keep no signal event.
        objective: `bce` for LCF's own loss alone; else a figure of merit or a formula (`metrics.objectives`), for which
            what LCF learned is then refined (`models.refine`), on expected events.
        background_systematic: systematic uncertainty of B in the objective, as a fraction of B.
        min_effective_background: events' worth that must be known of the background that a refined flow keeps.
        optimism_folds: parts of the training split by which the optimism is estimated; 0 for no estimate.
    """

    strategy: Strategy = "parallel"
    preset: Literal["lcf"] | None = None
    order: CutOrder = "given"
    centers: dict[str, float] = Field(default_factory=dict)
    epochs: int | None = Field(default=None, ge=1)
    batch_size: int = Field(default=512, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    threshold: float = Field(default=0.5, gt=0, lt=1)
    min_importance: float = Field(default=0.05, ge=0, lt=1)
    class_weights: ClassWeights = "balanced"
    negative_weights: NegativeWeights = "keep"
    bootstrap: bool | None = None
    scale: Scale = "quantiles"
    trim: float = Field(default=0.05, ge=0, lt=0.5)
    combination: Combination = "by-side"
    mask: MaskRule = "applied"
    min_effective_events: float = Field(default=100.0, ge=0)
    tidy: bool = True
    objective: str = "bce"
    background_systematic: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    min_effective_background: float = Field(default=MIN_EFFECTIVE_EVENTS, ge=0, allow_inf_nan=False)
    optimism_folds: OptimismFolds = OPTIMISM_FOLDS

    @model_validator(mode="before")
    @classmethod
    def _without_objective(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Settle the bootstrap where there is no objective, which alone leaves it open."""
        return given if given.get("objective", "bce") != "bce" else {"bootstrap": False, **given}

    @property
    def goal(self) -> Objective | None:
        """What the flow is refined for; None for LCF's own loss alone."""
        return goal_of(self.objective, self.background_systematic)

    @property
    def by_side(self) -> bool:
        """Whether each neuron decides about its own side (`combine_by_side`), rather than as published."""
        return self.combination == "by-side"

    def unused(self, chosen: Collection[str]) -> Mapping[str, str]:
        """What a parallel flow, or the published mask, has no use for."""
        unused: dict[str, str] = {}
        if self.strategy == "parallel":
            why = "in a parallel flow every observable trains on all events; leave it out, or train lcf-sequential"
            unused = {"mask": why, "min_effective_events": why, "order": why}
        elif self.mask == "published":
            why = "the published mask has no such rule; leave it out, or choose --mask applied"
            unused = {"min_effective_events": why}
        return unused

    def refuse_unused(self, chosen: Collection[str]) -> None:
        """Refuse further what only an objective uses, and one beside a preset."""
        super().refuse_unused(chosen)
        refuse_unused(self.goal, chosen, "--objective asimov")
        if self.preset is not None and self.goal is not None:
            msg = f"--objective {self.objective}: the publication trains its cross entropy alone; leave out --preset"
            raise UsageError(msg)


#: What the publication does where our defaults differ (arXiv:2503.22498, sections 2 and 3.2, and its code).
PUBLISHED: dict[str, Any] = {
    "order": "given",
    "epochs": 200,
    "batch_size": 512,
    "learning_rate": 1e-3,
    "threshold": 0.5,
    "min_importance": 0.05,
    "class_weights": "unit",
    "bootstrap": False,
    "scale": "moments",
    "trim": 0.0,
    "combination": "published",
    "mask": "published",
    "min_effective_events": 0.0,
    "tidy": False,
}
PRESETS = {"lcf": PUBLISHED}


#: Steps of the published training on the mocks: 200 epochs of 100 000 events in batches of 512.
PUBLISHED_STEPS = 39_200
#: Fewer passes than this are not made over a large sample.
MIN_EPOCHS = 10


def resolve_epochs(settings: LcfSettings, events: int) -> int:
    """Return how many epochs to train: those given, or what makes the published number of steps on this sample.

    Args:
        settings: of the training.
        events: size of the training split.
    """
    if settings.epochs is not None:
        return settings.epochs
    steps_per_epoch = -(-events // settings.batch_size)
    return max(MIN_EPOCHS, -(-PUBLISHED_STEPS // steps_per_epoch))


def resolve_settings(strategy: Strategy, chosen: Mapping[str, Any]) -> tuple[LcfSettings, tuple[str, ...]]:
    """Merge defaults, preset and what was chosen, as `models.settings.resolve_settings` does.

    Args:
        strategy: parallel or sequential.
        chosen: settings by name.
    """
    return general.resolve_settings(LcfSettings, PRESETS, {**chosen, "strategy": strategy})


def checked_settings(
    strategy: Strategy, options: Mapping[str, Any], settings_file: Path | None = None
) -> tuple[LcfSettings, tuple[str, ...]]:
    """Resolve settings from a file and from options, as `models.settings.checked_settings` does.

    Args:
        strategy: parallel or sequential.
        options: settings given on the command line, by name; a centre replaces that observable's centre only.
        settings_file: TOML or YAML file with settings by name; None for none.
    """
    return general.checked_settings(LcfSettings, PRESETS, options, settings_file, {"strategy": strategy})
