"""Settings of `cabin-scan`, with the publication as two presets.

Where the published method has known weaknesses the defaults differ; `preset="cabin"` is equation 8 with table 1, and
`preset="cabin-bce"` the single network with cross entropy alone. Fault by fault:

1. *Equation 8 is a sum over k = 1 … m − 2, but its terms belong to targets.* A misprint: the sum is over the targets
   that have two neighbours. What is done about features is not said. The preset averages over them, as equation 6 does
   for the biases; the released package (0.3.3) sums, which is m times stronger and makes its sub-networks collapse.
   By default the average is over features and inner targets, so that the strength depends on neither number.
2. *Equation 8 holds a cut in the middle of its neighbours, however far their targets are apart* (1, 5, 10, 20 %). By
   default linear interpolation between the neighbours' targets takes the place of the midpoint, as in the package.
3. *Equation 3 has 1 − exp(−nx) for 1 + exp(−nx)*: a misprint; the logistic function is meant.
4. *The loss is called convex*, which a product of logistic functions is not: where it ends depends on where it starts.
   Mended: the exact step searches the hard cuts themselves, from several starts.
5. *Targets are missed by per cents*, since the efficiency in the loss is a sum of scores. Mended: the printed
   efficiency is counted, and the exact step reaches the target within one event.
6. *Learned weights often fail*, since they start at random and may change sign. Mended: they start at the directions
   that are found for each feature.
7. *The released loss has no event weights.* Mended: sums are weighted with training weights.
8. *The cross entropy (δ) pulls every working point to the same place*, whatever its target. By default δ is 0, which
   the paper allows.
9. *Equation 8, summed over targets, with learning rate 0.5 is beyond the stability of gradient descent* for few
   features (its curvature is up to 8/(mρ)), so the preset may lose sub-networks; a warning names those without signal.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

from pydantic import Field, field_validator

from cutflow_cli.errors import UsageError
from cutflow_cli.metrics.figures_of_merit import MIN_EFFECTIVE_EVENTS
from cutflow_cli.metrics.objectives import Objective, parse_objective
from cutflow_cli.models.binning import Binning, parse_binning
from cutflow_cli.models.box.settings import OPTIMISM_FOLDS, OptimismFolds
from cutflow_cli.models.protocol import Settings
from cutflow_cli.models.refine.settings import refuse_unused
from cutflow_cli.models.setting_types import FigureName
from cutflow_cli.models.weights import ClassWeights, NegativeWeights

Side = Literal["above", "below"]
Smoothing = Literal["averaged", "published"]

#: Signal efficiencies of the paper (section 4.1.1).
TARGETS = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.93, 0.95)


class CabinSettings(Settings):
    """Settings of `cabin-scan`.

    Attributes:
        preset: `cabin` or `cabin-bce` for the published method to the letter.
        targets: signal efficiencies of the working points, rising.
        alpha: weight of the squared distance to the target efficiency (equation 5).
        beta: weight of the background efficiency (equation 5).
        gamma: weight of the size of the cuts (equation 6).
        delta: weight of the binary cross entropy.
        epsilon: weight of the smoothness across targets (equation 8), or across bins.
        rho: what keeps equation 8 finite where neighbours are equal, in squared standard deviations.
        smoothing: `averaged` over features and inner targets with linear interpolation, or as `published`.
        steepness: n of the logistic functions.
        learning_rate: of stochastic gradient descent.
        epochs: steps, each over the whole training split.
        directions: side that is kept, by feature; found for the others.
        windows: two neurons for each feature, so that both sides may be cut.
        learn_weights: learn the slopes too, hence the sides.
        exact: finish each working point by an exact step on the hard cuts.
        smoothness: strength with which the exact step holds neighbouring working points together, or neighbouring bins;
            0 frees them.
        binned_in: an observable and edges of bins in it (`binning.parse_binning`), in each of which there are cuts of
            their own; None for one selection for all events.
        fom: figure of merit by which a working point is recommended.
        objective: figure of merit or formula (`metrics.objectives`) by which a working point is recommended, instead
            of `fom`, and for which a further one, `objective`, is refined (`cabin.pursue`); None for neither.
        background_systematic: systematic uncertainty of B in the objective, as a fraction of B.
        min_effective_background: events' worth that must be known of the background kept at that working point.
        optimism_folds: parts of the training split by which the optimism is estimated; 0 for no estimate.
        class_weights: `balanced`, `physical` or `unit` event weights in the loss.
        negative_weights: what training does with negative weights.
        bootstrap: give each replica its own Poisson(1) weights; None for where there are several replicas.
    """

    preset: Literal["cabin", "cabin-bce"] | None = None
    targets: tuple[float, ...] = TARGETS
    alpha: float = Field(default=10.0, ge=0)
    beta: float = Field(default=0.1, ge=0)
    gamma: float = Field(default=1e-5, ge=0)
    delta: float = Field(default=0.0, ge=0)
    epsilon: float = Field(default=1.0, ge=0)
    rho: float = Field(default=0.1, gt=0)
    smoothing: Smoothing = "averaged"
    steepness: float = Field(default=15.0, gt=0)
    learning_rate: float = Field(default=0.5, gt=0)
    epochs: int = Field(default=200, ge=1)
    directions: dict[str, Side] = Field(default_factory=dict)
    windows: bool = False
    learn_weights: bool = False
    exact: bool = True
    smoothness: float = Field(default=10.0, ge=0)
    binned_in: str | None = None
    fom: FigureName = "asimov"
    objective: str | None = None
    background_systematic: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    min_effective_background: float = Field(default=MIN_EFFECTIVE_EVENTS, ge=0, allow_inf_nan=False)
    optimism_folds: OptimismFolds = OPTIMISM_FOLDS
    class_weights: ClassWeights = "balanced"
    negative_weights: NegativeWeights = "keep"
    bootstrap: bool | None = None

    @field_validator("targets")
    @classmethod
    def _sorted_targets(cls, targets: tuple[float, ...]) -> tuple[float, ...]:
        if not targets:
            msg = "give at least one target"
            raise ValueError(msg)
        for target in targets:
            if not 0 < target < 1:
                msg = f"a target signal efficiency lies between 0 and 1, not {target:g}"
                raise ValueError(msg + (f"; for {target:g} % give {target / 100:g}" if 1 < target < 100 else ""))
        if len(set(targets)) < len(targets):
            msg = "each target once"
            raise ValueError(msg)
        return tuple(sorted(targets))

    @field_validator("binned_in")
    @classmethod
    def _readable_bins(cls, text: str | None) -> str | None:
        if text is None:
            return None
        try:
            binning = parse_binning(text)
        except UsageError as error:
            raise ValueError(str(error)) from error
        return f"{binning.observable}:{','.join(f'{edge:.17g}' for edge in binning.edges)}"

    @property
    def binning(self) -> Binning | None:
        """The bins; None for one selection for all events."""
        return None if self.binned_in is None else parse_binning(self.binned_in)

    @property
    def goal(self) -> Objective | None:
        """What a further working point is refined for; None for none."""
        return None if self.objective is None else parse_objective(self.objective, self.background_systematic)

    @property
    def single(self) -> bool:
        """Whether there is one network without a target efficiency: cross entropy alone."""
        return self.preset == "cabin-bce"

    @property
    def networks(self) -> int:
        """How many networks a replica has: one for each target, or one without."""
        return 1 if self.single else len(self.targets)

    def refuse_unused(self, chosen: Collection[str]) -> None:
        """Refuse settings that the user chose and that would do nothing.

        Args:
            chosen: names of those that the user gave.

        Raises:
            UsageError: at the first.
        """
        for name, condition, why in self._unused():
            if condition and name in chosen:
                msg = f"--{OPTIONS.get(name, name.replace('_', '-'))}: {why}"
                raise UsageError(msg)
        refuse_unused(self.goal, chosen, "--objective asimov")
        if self.goal is not None:
            self._refuse_beside_objective(chosen)
        if self.single and (self.alpha or self.beta or self.epsilon or self.exact):
            msg = "--preset cabin-bce: one network without a target; leave out "
            raise UsageError(msg + "--alpha, --beta, --epsilon and --exact, or choose --preset cabin")
        if self.binned_in is not None and self.exact and not self.smoothness and self.epsilon and "epsilon" in chosen:
            msg = "--epsilon: --smoothness 0 makes bins independent; leave one of them out"
            raise UsageError(msg)
        if self.binned_in is not None and self.learn_weights:
            msg = "--learn-weights: cuts in bins have weights of ±1; leave out --learn-weights or --binned-in"
            raise UsageError(msg)
        if self.learn_weights and self.windows:
            msg = "--windows: learned weights already choose the side of each feature; leave out --learn-weights"
            raise UsageError(msg)

    def _refuse_beside_objective(self, chosen: Collection[str]) -> None:
        for name, given, why in (
            ("preset", self.preset is not None, "the publication knows of no objective"),
            ("fom", "fom" in chosen, "the objective recommends the working point"),
            ("binned_in", self.binned_in is not None, "an objective refines one selection for all events"),
        ):
            if given:
                msg = f"--objective {self.objective}: {why}; leave it or --{name.replace('_', '-')} out"
                raise UsageError(msg)

    def _unused(self) -> tuple[tuple[str, bool, str], ...]:
        binning = self.binning
        tied, what = (len(self.targets), "targets") if binning is None else (len(binning), "bins")
        few = f"with fewer than three {what} none has two neighbours; leave it out"
        alone = "cabin-bce is one network without a target; leave it out, or choose --preset cabin"
        smooth = "without --epsilon and --smoothness nothing is held smooth; leave it out"
        unsmooth = not self.epsilon and not (self.exact and self.smoothness)
        return (
            ("targets", self.single, alone),
            ("binned_in", self.single, alone),
            ("rho", self.single, alone),
            ("smoothing", self.single, alone),
            ("fom", self.single, "there is one working point, so there is none to recommend; leave it out"),
            ("fom", len(self.targets) == 1, "there is one working point, so there is none to recommend; leave it out"),
            ("epsilon", tied < 3 and self.epsilon > 0, few),
            ("smoothness", tied < 3 and self.smoothness > 0, few),
            ("smoothness", not self.exact, "only the exact step uses it; leave it out, or give --exact"),
            ("rho", unsmooth, smooth),
            ("smoothing", not self.epsilon, "without --epsilon nothing is held smooth; leave it out"),
            ("directions", self.learn_weights, "learned weights choose the side themselves; leave one out"),
        )


#: Options whose name is not that of the setting.
OPTIONS = {"directions": "direction"}

_PUBLISHED: dict[str, Any] = {
    "gamma": 1e-5,
    "steepness": 15.0,
    "learning_rate": 0.5,
    "epochs": 200,
    "windows": False,
    "learn_weights": False,
    "exact": False,
    "class_weights": "unit",
}
#: What the publication does (arXiv:2502.08615, sections 2.2 and 4.1, table 1); it gives 100 to 200 epochs.
PRESETS: dict[str, dict[str, Any]] = {
    "cabin": {
        **_PUBLISHED,
        "targets": TARGETS,
        "alpha": 10.0,
        "beta": 0.1,
        "delta": 1e-3,
        "epsilon": 1.0,
        "rho": 0.1,
        "smoothing": "published",
    },
    "cabin-bce": {**_PUBLISHED, "alpha": 0.0, "beta": 0.0, "gamma": 0.0, "delta": 1.0, "epsilon": 0.0},
}
