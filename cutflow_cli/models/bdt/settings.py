"""Settings of boosted decision trees, with publications as presets.

`lcf`: the baseline of arXiv:2503.22498, section 3.2: scikit-learn's GradientBoostingClassifier with 100 trees of depth
3, otherwise as it comes (learning rate 0.1, all events for each tree), unit weights, events selected at a score of 0.5.

`hml`: GradientBoostedDecisionTree of HEP ML LAB, section 4.2, which is the same class with the same settings.

`cabin`: the ceiling of arXiv:2502.08615, section 4.4: XGBoost with 500 trees of depth 3, objective `binary:logistic`,
metric `logloss`, otherwise as it comes (learning rate 0.3, minimum child weight 1). The paper gives no working point,
so that the figure of merit chooses it.

Where our defaults differ: XGBoost's histograms, which take a fifteenth of the time for a tree on 100 000 events;
classes weigh the same whatever was simulated and the relative weights inside a class count, negative ones too; trees
are added until the validation loss no longer falls; a leaf holds a reasonable number of events; and the threshold is
the one that the figure of merit prefers on validation.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Literal

from pydantic import Field

from cutflow_cli.errors import UsageError
from cutflow_cli.metrics.figures_of_merit import DEFAULT_FIGURE, MIN_EFFECTIVE_EVENTS
from cutflow_cli.models.protocol import Settings
from cutflow_cli.models.setting_types import FigureName
from cutflow_cli.models.thresholds import unused_beside_threshold
from cutflow_cli.models.weights import ClassWeights, NegativeWeights, resolve_bootstrap

Backend = Literal["xgboost", "sklearn"]

#: Patience where there is a validation split and none is given.
DEFAULT_PATIENCE = 20
#: Smallest sum of w p (1 − p) in a leaf; with p = 1/2 that is 40 events of weight one.
DEFAULT_CHILD_WEIGHT = 10.0


class BdtSettings(Settings):
    """Settings of `bdt`.

    Attributes:
        preset: a publication, to the letter.
        backend: which library grows the trees.
        trees: how many at most.
        depth: of each tree.
        learning_rate: by which each tree's answer is multiplied.
        subsample: share of the events, drawn anew, that each tree is grown on.
        min_child_weight: XGBoost's smallest sum of w p (1 − p) in a leaf, weights having mean one; None for 10.
        early_stopping: stop a replica after so many trees without a smaller validation loss, and keep those up to its
            best; 0 to keep all; None for 20 where there is a validation split.
        class_weights: `balanced`, `physical` or `unit` event weights in the loss.
        negative_weights: what training does with negative weights; scikit-learn can't `keep` them.
        bootstrap: give each replica its own Poisson(1) weights; None for yes if there is more than one.
        fom: figure of merit that chooses the threshold.
        min_effective_events: effective events of either class that a threshold must keep.
        fixed_threshold: a threshold to use instead; None to choose one.
    """

    preset: Literal["lcf", "hml", "cabin"] | None = None
    backend: Backend = "xgboost"
    trees: int = Field(default=1000, ge=1)
    depth: int = Field(default=4, ge=1, le=30)
    learning_rate: float = Field(default=0.1, gt=0, le=1)
    subsample: float = Field(default=1.0, gt=0, le=1)
    min_child_weight: float | None = Field(default=None, ge=0)
    early_stopping: int | None = Field(default=None, ge=0)
    class_weights: ClassWeights = "balanced"
    negative_weights: NegativeWeights = "keep"
    bootstrap: bool | None = None
    fom: FigureName = DEFAULT_FIGURE
    min_effective_events: float = Field(default=MIN_EFFECTIVE_EVENTS, ge=0)
    fixed_threshold: float | None = Field(default=None, gt=0, lt=1)

    def unused(self, chosen: Collection[str]) -> Mapping[str, str]:
        """What a fixed threshold or scikit-learn has no use for."""
        unused = unused_beside_threshold(self.fixed_threshold, None if "fixed_threshold" in chosen else self.preset)
        if self.backend == "sklearn":
            unused["min_child_weight"] = (
                "scikit-learn's trees have no such limit, only --backend xgboost does; leave it out"
            )
        return unused

    @property
    def child_weight(self) -> float:
        """XGBoost's minimum child weight: what was given, or the default."""
        return DEFAULT_CHILD_WEIGHT if self.min_child_weight is None else self.min_child_weight

    def patience(self, *, has_validation: bool) -> int:
        """Return after how many trees without gain to stop; 0 for never.

        Raises:
            UsageError: if early stopping is asked for and there is no validation split.
        """
        if self.early_stopping and not has_validation:
            msg = f"--early-stopping {self.early_stopping}: there is no validation split to watch; "
            raise UsageError(msg + "give 0, or events with one (see --split)")
        if self.early_stopping is None:
            return DEFAULT_PATIENCE if has_validation else 0
        return self.early_stopping

    def bootstraps(self, replicas: range) -> bool:
        """Say whether replicas train on a bootstrap each.

        Replica 0 alone does not unless told to; one that belongs to a longer run does, as it would there.

        Raises:
            UsageError: for several replicas that would all be the same.
        """
        same = None
        if self.backend == "xgboost" and self.subsample == 1:
            same = "nothing else is random in XGBoost's trees, so that all replicas would be the same; "
            same += "use --replicas 1, --bootstrap or --subsample"
        return resolve_bootstrap(self.bootstrap, replicas, same)


_SKLEARN: dict[str, Any] = {
    "backend": "sklearn",
    "trees": 100,
    "depth": 3,
    "learning_rate": 0.1,
    "subsample": 1.0,
    "early_stopping": 0,
    "class_weights": "unit",
    "negative_weights": "keep",
    "bootstrap": False,
    "fixed_threshold": 0.5,
}

PRESETS: dict[str, dict[str, Any]] = {
    "lcf": _SKLEARN,
    "hml": _SKLEARN,
    "cabin": {
        "backend": "xgboost",
        "trees": 500,
        "depth": 3,
        "learning_rate": 0.3,
        "subsample": 1.0,
        "min_child_weight": 1.0,
        "early_stopping": 0,
        "class_weights": "unit",
        "negative_weights": "keep",
    },
}
