"""Cuts as a torch module: hard masks that are the cut flow's own, soft masks with gradients for the boundaries."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cutflow_cli.errors import InputError, UsageError, nearest
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut

Scale = float | Mapping[str, float]

_REGIONS = (Region.ALL, Region.BELOW, Region.ABOVE, Region.INSIDE, Region.OUTSIDE)
_HAS_LOWER = torch.tensor([region.has_lower for region in _REGIONS])
_HAS_UPPER = torch.tensor([region.has_upper for region in _REGIONS])
_OUTSIDE = _REGIONS.index(Region.OUTSIDE)
#: Arguments of logistic functions end here: beyond, probabilities are zero or one, and infinities breed NaN gradients.
_LIMIT = 1e4


class CutLayer(nn.Module):
    """Cuts with learnable boundaries.

    The hard mask is `CutFlow.mask` event by event: comparisons are strict, and a missing value (NaN) passes no
    boundary. The soft mask of an event is the product over cuts of the probability to pass, computed as a sum of
    logarithms: σ(k (x − l)/w) above a lower boundary l, σ(k (u − x)/w) below an upper boundary u, their product
    inside, and one minus that product outside (so that l < u keeps what is below l or above u, and l > u nearly
    everything, as the hard cut does). w is the observable's `scale` and k the `steepness`. For k → ∞ it tends to the
    hard mask but for values on a boundary, where it is one half; at finite k soft yields are those of observables
    smeared by a logistic distribution of width w/k, so they are no statement about a hard selection.

    In training, `layer(x)` is the soft mask, or with `straight_through` the hard mask with the soft one's gradient
    (Bengio, Léonard, Courville, arXiv:1308.3432); after `eval()` it is the hard mask, as zeros and ones. Boundaries are
    stored as an origin in the observable's unit and a learnable shift in units of the scale, so that one learning rate
    suits all observables, and an untrained layer has exactly the boundaries that it was made from. Regions don't
    change in training. The state holds regions, boundaries, scales and steepness.

    Args:
        cuts: one for each step, or for several replicas a sequence of such, all with the same observables in order.
        features: names of the columns of x; None for the observables of the cuts, in order.
        scale: unit of each observable in which boundaries move, above 0: one for all, or by observable (`half_widths`).
        steepness: k; above 0. `anneal` changes it.
        straight_through: see above.
        dtype: of boundaries. With float64, the default, a layer is exact for columns of either precision.
        device: where to.

    Raises:
        InputError: if a cut is on what is no feature, or replicas have different observables.
        UsageError: if a scale is absent, not finite or not positive, or the steepness is.
    """

    column: Tensor
    region: Tensor
    scale: Tensor
    steepness: Tensor
    origin_lower: Tensor
    origin_upper: Tensor

    def __init__(
        self,
        cuts: Sequence[Cut] | Sequence[Sequence[Cut]],
        features: Sequence[str] | None = None,
        scale: Scale = 1.0,
        *,
        steepness: float = 10.0,
        straight_through: bool = False,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        rows, self._replicated = _rows(cuts)
        self.observables = tuple(cut.observable for cut in rows[0])
        self.features = tuple(dict.fromkeys(self.observables)) if features is None else tuple(features)
        self.straight_through = straight_through
        columns = [_position(name, self.features) for name in self.observables]

        def made(values: list[list[Any]], kind: torch.dtype) -> Tensor:
            shape = (len(rows), len(self.observables))
            found = torch.tensor(values, dtype=kind, device=device).reshape(shape)
            return found if self._replicated else found[0]

        lower = [[0.0 if cut.lower is None else cut.lower for cut in row] for row in rows]
        upper = [[0.0 if cut.upper is None else cut.upper for cut in row] for row in rows]
        self.register_buffer("column", torch.tensor(columns, dtype=torch.int64, device=device))
        self.register_buffer("region", made([[_REGIONS.index(cut.region) for cut in row] for row in rows], torch.int64))
        widths = [_width(name, scale) for name in self.observables]
        self.register_buffer("scale", torch.tensor(widths, dtype=dtype, device=device))
        self.register_buffer("steepness", torch.tensor(_positive("steepness", steepness), dtype=dtype, device=device))
        self.register_buffer("origin_lower", made(lower, dtype))
        self.register_buffer("origin_upper", made(upper, dtype))
        self.shift_lower = nn.Parameter(torch.zeros_like(self.origin_lower))
        self.shift_upper = nn.Parameter(torch.zeros_like(self.origin_upper))

    @classmethod
    def from_flow(
        cls,
        flow: CutFlow | Sequence[CutFlow],
        features: Sequence[str] | None = None,
        scale: Scale = 1.0,
        **options: Any,  # noqa: ANN401  (those of the class)
    ) -> CutLayer:
        """Make a layer of a cut flow, or of several replicas of one; inactive steps keep everything.

        Args:
            flow: the flow, or several with the same observables in the same order.
            features: see the class.
            scale: see the class.
            options: further arguments of the class.

        Raises:
            InputError: if a step is no cut on one observable.
        """
        flows = [flow] if isinstance(flow, CutFlow) else list(flow)
        rows = [[_applied(step) for step in one.steps] for one in flows]
        return cls(rows[0] if isinstance(flow, CutFlow) else rows, features, scale, **options)

    def to_flow(self, dtypes: Mapping[str, str] | None = None, like: CutFlow | None = None) -> CutFlow:
        """Return the cuts as a flow, boundaries as they are now; steps that keep everything are inactive.

        Args:
            dtypes: type of each observable's column, to which boundaries are rounded; None for no rounding.
            like: a flow whose working point, hypothesis and replica are taken over.

        Raises:
            UsageError: for a layer with replicas, which `to_flows` gives.
        """
        if self._replicated:
            msg = "this layer has replicas; take one of `to_flows`"
            raise UsageError(msg)
        return self._flow(0, dtypes, like or CutFlow(()))

    def to_flows(self, dtypes: Mapping[str, str] | None = None) -> tuple[CutFlow, ...]:
        """Return the cuts of each replica as a flow, numbered from 0; see `to_flow`."""
        return tuple(self._flow(row, dtypes, CutFlow((), replica=row)) for row in range(self._count))

    @property
    def lower(self) -> Tensor:
        """Lower boundaries in the observables' units, shape ([replicas,] cuts); without meaning where there is none."""
        return self.origin_lower + self.scale * self.shift_lower

    @property
    def upper(self) -> Tensor:
        """Upper boundaries, likewise."""
        return self.origin_upper + self.scale * self.shift_upper

    def forward(self, x: Tensor) -> Tensor:
        """Return the mask of events in x's type, shape ([replicas,] events); which one, the class says.

        Args:
            x: the features, shape (events, features), or with a leading dimension for the replicas.
        """
        if not self.training:
            return self.hard(x).to(x.dtype if x.is_floating_point() else self.origin_lower.dtype)
        soft = self.soft(x)
        return soft + (self.hard(x).to(soft.dtype) - soft).detach() if self.straight_through else soft

    def hard(self, x: Tensor) -> Tensor:
        """Return which events pass all cuts: bool, of the shape that `forward` has.

        Boundaries are rounded to the type of x, as `Cut.passes` does; whole numbers are compared as double precision.
        """
        values = x[..., self.column]
        if not values.is_floating_point():
            values = values.to(torch.float64)
        lower, upper = (edge.detach().to(values.dtype).unsqueeze(-2) for edge in (self.lower, self.upper))
        has_lower, has_upper, outside = self._kinds()
        within = ((values > lower) | ~has_lower) & ((values < upper) | ~has_upper)
        return torch.where(outside, (values < lower) | (values > upper), within).all(dim=-1)

    def soft(self, x: Tensor) -> Tensor:
        """Return the soft mask, between 0 and 1, of the shape that `forward` has."""
        return torch.exp(self.log_soft(x))

    def log_soft(self, x: Tensor) -> Tensor:
        """Return the logarithm of the soft mask, for products with many others; a missing value gives −10⁴ or less."""
        values = x[..., self.column]
        if not values.is_floating_point():
            values = values.to(self.origin_lower.dtype)
        k = (self.steepness / self.scale).to(values.dtype)
        above, below = (
            k * (values - self.lower.to(values.dtype).unsqueeze(-2)),
            k * (self.upper.to(values.dtype).unsqueeze(-2) - values),
        )
        has_lower, has_upper, outside = self._kinds()
        over_lower, under_upper = _log_sigmoid(above), _log_sigmoid(below)
        nothing = torch.zeros((), dtype=values.dtype, device=values.device)
        within = torch.where(has_lower, over_lower, nothing) + torch.where(has_upper, under_upper, nothing)
        # 1 − pq = (1 − p) + p (1 − q), a sum of two positive terms
        beyond = torch.logaddexp(_log_sigmoid(-above), over_lower + _log_sigmoid(-below))
        return torch.where(outside, beyond, within).sum(dim=-1)

    def anneal(self, done: float, first: float, last: float) -> None:
        """Set the steepness on the way from `first` to `last`, by equal factors.

        Args:
            done: share of the way, 0 to 1.
            first: steepness at the beginning, above 0.
            last: at the end.
        """
        self.steepness.fill_(_positive("steepness", first) ** (1 - done) * _positive("steepness", last) ** done)

    def extra_repr(self) -> str:
        """Return the cuts of the first replica, for people."""
        flow = self._flow(0, None, CutFlow(()))
        more = f", and {self._count - 1} more replicas" if self._count > 1 else ""
        return " and ".join(str(step.cut) for step in flow.steps) + more

    @property
    def _count(self) -> int:
        return len(self.region) if self._replicated else 1

    def _kinds(self) -> tuple[Tensor, Tensor, Tensor]:
        """Say which cuts have a lower boundary, an upper one, and keep what is outside: ([replicas,] 1, cuts)."""
        region = self.region.unsqueeze(-2)
        has_lower, has_upper = (known.to(region.device)[region] for known in (_HAS_LOWER, _HAS_UPPER))
        return has_lower, has_upper, region == _OUTSIDE

    def _flow(self, row: int, dtypes: Mapping[str, str] | None, template: CutFlow) -> CutFlow:
        region, lower, upper = (
            (part[row] if self._replicated else part).tolist()
            for part in (self.region, self.lower.detach(), self.upper.detach())
        )
        steps = []
        for name, code, low, high in zip(self.observables, region, lower, upper, strict=True):
            kind = _REGIONS[code]
            cut = Cut(name, kind, low if kind.has_lower else None, high if kind.has_upper else None)
            steps.append(LearnedCut(cut, active=kind is not Region.ALL))
        flow = replace(template, steps=tuple(steps))
        return flow if dtypes is None else flow.rounded(dtypes)


def half_widths(columns: Mapping[str, NDArray[Any]]) -> dict[str, float]:
    """Return half the 16-84 % interval of each observable: a unit in which a boundary may move.

    Where most values are equal and that is zero it is the standard deviation, and 1 where that is zero too. Values
    that are not finite are left out.

    Args:
        columns: the observables, each of shape (events,).
    """
    found = {}
    for name, column in columns.items():
        values = np.asarray(column, dtype=np.float64)
        values = values[np.isfinite(values)]
        low, high = np.quantile(values, [0.16, 0.84]) if len(values) else (0.0, 0.0)
        width = float(high - low) / 2
        found[name] = width or (float(values.std()) if len(values) else 0.0) or 1.0
    return found


def _log_sigmoid(argument: Tensor) -> Tensor:
    """Return ln σ, of NaN that of a value far on the wrong side; neither it nor its gradient is ever NaN."""
    finite = torch.nan_to_num(argument, nan=-_LIMIT, posinf=_LIMIT, neginf=-_LIMIT)
    return nn.functional.logsigmoid(finite.clamp(-_LIMIT, _LIMIT))


def _rows(cuts: Sequence[Cut] | Sequence[Sequence[Cut]]) -> tuple[list[list[Cut]], bool]:
    """Return the cuts of each replica, and whether there is a dimension for replicas."""
    single = [cut for cut in cuts if isinstance(cut, Cut)]
    if len(single) == len(cuts):
        return [single], False
    rows = [list(row) for row in cuts if not isinstance(row, Cut)]
    names = [[cut.observable for cut in row] for row in rows]
    if len(rows) != len(cuts) or any(other != names[0] for other in names):
        msg = "replicas of a layer must cut on the same observables in the same order"
        raise InputError(msg)
    return rows, True


def _applied(step: LearnedCut) -> Cut:
    """Return what a step of a flow applies."""
    if not step.cut.has_boundaries or len(step.cut.names) != 1:
        msg = f"{step.cut}: a layer holds cuts on one observable each"
        raise InputError(msg)
    return step.cut if step.active else Cut(step.cut.observable, Region.ALL)


def _position(name: str, features: Sequence[str]) -> int:
    if name not in features:
        msg = f"a cut on {name!r}, which is no feature of the layer; {nearest(name, features)}"
        raise InputError(msg)
    return list(features).index(name)


def _width(name: str, scale: Scale) -> float:
    if not isinstance(scale, Mapping):
        return _positive("scale", scale)
    if name not in scale:
        msg = f"no scale for {name!r}; {nearest(name, scale)}"
        raise UsageError(msg)
    return _positive(f"scale of {name!r}", scale[name])


def _positive(what: str, value: float) -> float:
    if not (math.isfinite(value) and value > 0):
        msg = f"{what}: a finite number above 0 is needed, not {value}"
        raise UsageError(msg)
    return float(value)
