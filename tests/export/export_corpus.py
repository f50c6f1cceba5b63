"""Random selections and events that hit every boundary, and what cutflow itself makes of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cutflow_cli.events.schema import FeatureInfo
from cutflow_cli.export.dialect import Selections
from cutflow_cli.selection.binned import BinnedCut
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut
from cutflow_cli.selection.evaluate import evaluate
from cutflow_cli.selection.parse import parse

#: Type of each source column, as C++ calls it.
SOURCE = {"a": "float", "b": "double", "c": "double", "x": "float", "y": "double", "n": "int"}

#: Features: the source's own columns, and expressions that only differ from their neighbours' words in one dialect.
FEATURES = (
    FeatureInfo("x"),
    FeatureInfo("y", "float64"),
    FeatureInfo("n", "float64"),
    FeatureInfo("rounded", expression="c"),
    FeatureInfo("c", expression="c"),  # a double that was stored in single precision under its own name
    FeatureInfo("ratio", expression="a / b"),
    FeatureInfo("ratio64", "float64", expression="a / b / 2"),
    FeatureInfo("difference", "float64", expression="a - (b - n)"),
    FeatureInfo("smallest", expression="min(a, b, 3)"),
    FeatureInfo("largest", "float64", expression="max(n, -(-b))"),
    FeatureInfo("chosen", expression="where(a > 0 and not b < 1, sqrt(a), where(b != 1, -b, 2))"),
    FeatureInfo("modulo", "float64", expression="b % n"),
    FeatureInfo("parity", "float64", expression="n % 2"),
    FeatureInfo("halves", "float64", expression="floor(n / 2) + ceil(b / 4) * -1"),
    FeatureInfo("power", expression="abs(a) ** 2 ** 0.5 - 2 ** -1"),
    FeatureInfo("logs", expression="log(a) + log10(b) - exp(x / 4)"),
    FeatureInfo("angles", expression="sin(a) + cos(b) * tan(x) - atan2(a, b) + atan(a) + tanh(x)"),
    FeatureInfo("domains", "float64", expression="sqrt(a) + asin(x) + acos(x) + sinh(x) - cosh(x)"),
    FeatureInfo("constant", "float64", expression="a * (1 / 0) + (0 - 1) % 3"),
)

PRESELECTIONS = (
    (),
    ("x != 1",),
    ("not (0 < b <= 2) or y >= 0.5", "n != 0 or a != a"),
    ("-2 < x < y < 8 or not (a > 0 or b > 0)",),
    ("a / b < 1 and (x == 1 or 2 > 1)", "not n > 3 and not (1 > 2)"),
    ("where(a != b, 1, 0) == 1 or not (not (x <= 1))",),
    ("veto x > 1", "(a > 0 or n < 2) [any]", "not (x < y [all]) or b > 0"),
)
SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 2.0, 0.5, 3.0, 1e30, -3e38, 5e-324, 1e-40]


def columns(rng: np.random.Generator, events: int) -> dict[str, np.ndarray]:
    """Draw source columns: small numbers that meet often, and special values among them."""

    def draw(dtype: str) -> np.ndarray:
        values = np.where(rng.random(events) < 0.5, rng.integers(-4, 9, events) / 2.0, rng.normal(0.0, 3.0, events))
        special = rng.random(events) < 0.2
        values[special] = rng.choice(SPECIAL, int(special.sum()))
        with np.errstate(under="ignore"):
            return values.astype(dtype)

    found = {name: draw("float32" if kind == "float" else "float64") for name, kind in SOURCE.items()}
    found["n"] = rng.integers(-5, 6, events).astype(np.int32)
    return found


def feature_columns(source: dict[str, np.ndarray], features: tuple[FeatureInfo, ...]) -> dict[str, np.ndarray]:
    """Compute the features as ingest does: in double precision, then rounded to the type of the column."""
    events = len(next(iter(source.values())))
    found = {}
    for feature in features:
        values = (
            source[feature.name] if feature.expression is None else evaluate(parse(feature.expression), source, events)
        )
        with np.errstate(over="ignore", under="ignore"):
            found[feature.name] = np.asarray(values).astype(feature.dtype)
    return found


def expected(selections: Selections, source: dict[str, np.ndarray]) -> np.ndarray:
    """Say which events the selection keeps, by cutflow's own means."""
    events = len(next(iter(source.values())))
    mask = selections.flow.mask(feature_columns(source, selections.features), events)
    for condition in selections.preselection:
        mask &= evaluate(parse(condition), source, events)
    return mask


@np.errstate(over="ignore", under="ignore")
def boundary_for(rng: np.random.Generator, values: np.ndarray) -> float:
    """Draw a boundary: a value that occurs, its neighbour, any number, or infinity."""
    usable = values[~np.isnan(values)]
    value = rng.choice(usable) if len(usable) else values.dtype.type(1)
    match rng.integers(0, 8):
        case 0:
            value = np.nextafter(value, values.dtype.type(np.inf))
        case 1:
            value = np.nextafter(value, values.dtype.type(-np.inf))
        case 2:
            value = values.dtype.type(rng.normal())
        case 3 if rng.random() < 0.3:
            value = values.dtype.type(rng.choice([np.inf, -np.inf]))
    return float(value)


def random_cut(rng: np.random.Generator, feature: FeatureInfo, values: np.ndarray) -> LearnedCut:
    """Draw a cut whose boundaries lie on events where possible."""
    region = rng.choice(
        [Region.BELOW, Region.ABOVE, Region.INSIDE, Region.OUTSIDE, Region.ALL], p=[0.3, 0.3, 0.15, 0.15, 0.1]
    )
    region = Region(region)
    with np.errstate(over="ignore", under="ignore"):
        low, high = sorted((boundary_for(rng, values), boundary_for(rng, values)))
    cut = Cut(feature.name, region, low if region.has_lower else None, high if region.has_upper else None)
    return LearnedCut(cut, active=bool(rng.random() < 0.9))


def random_selections(rng: np.random.Generator, source: dict[str, np.ndarray], cuts: int) -> Selections:
    """Draw a selection of a few cuts on the features, and a preselection."""
    values = feature_columns(source, FEATURES)
    chosen = rng.choice(len(FEATURES), size=cuts, replace=False)
    steps = tuple(random_cut(rng, FEATURES[i], values[FEATURES[i].name]) for i in chosen)
    flow = CutFlow(steps).rounded({feature.name: feature.dtype for feature in FEATURES})
    preselection = PRESELECTIONS[rng.integers(0, len(PRESELECTIONS))] if rng.random() < 0.5 else ()
    return Selections("random", "lcf-parallel", (flow,), FEATURES, preselection)


@np.errstate(over="ignore", under="ignore")
def on_midpoints(rng: np.random.Generator) -> tuple[Selections, dict[str, np.ndarray]]:
    """Make a cut on a rounded feature, and events at and beside where doubles round to its boundary."""
    boundary = np.float32(
        rng.choice([rng.normal(), rng.normal() * 1e-42, rng.normal() * 1e37, 0.0, 3.4028235e38, np.inf])
    )
    neighbours = [np.nextafter(boundary, np.float32(side)) for side in (-np.inf, np.inf)]
    middles = [(float(boundary) + float(side)) / 2 for side in neighbours]
    middles += [2.0**128 - 2.0**103, -(2.0**128) + 2.0**103]
    near = [[np.nextafter(m, -np.inf), m, np.nextafter(m, np.inf)] for m in middles if np.isfinite(m)]
    values = np.array([*np.ravel(near), float(boundary), *map(float, neighbours), *SPECIAL])
    region = rng.choice([Region.BELOW, Region.ABOVE, Region.OUTSIDE])
    low, high = float(boundary), float(boundary)
    region = Region(region)
    cut = Cut("rounded", region, low if region.has_lower else None, high if region.has_upper else None)
    source = {
        name: np.zeros(len(values), dtype={"float": "f4", "int": "i4"}.get(kind, "f8")) for name, kind in SOURCE.items()
    }
    source["c"] = values
    selections = Selections("midpoints", "lcf-parallel", (CutFlow((LearnedCut(cut),)),), FEATURES)
    return selections, source


def corpus(count: int, events: int, seed: int = 7) -> list[tuple[Selections, dict[str, np.ndarray]]]:
    """Draw selections, each with events to apply it to."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        if number % 4 == 0:
            found.append(on_midpoints(rng))
        else:
            source = columns(rng, events)
            found.append((random_selections(rng, source, int(rng.integers(0, 5))), source))
    empty = replace(found[0][0], flows=(CutFlow(()),))
    return [*found, (empty, found[0][1])]


def random_binned_step(rng: np.random.Generator, name: str, binned: BinnedCut, values: np.ndarray) -> LearnedCut:
    """Draw a cut in given bins: one region for all of them, or any in each."""
    feature = FeatureInfo(name)
    bins = [random_cut(rng, feature, values) for _ in binned.members]
    if rng.random() < 0.6:
        region = Region(rng.choice([Region.BELOW, Region.ABOVE, Region.INSIDE, Region.OUTSIDE]))
        for number in range(len(bins)):
            low, high = sorted((boundary_for(rng, values), boundary_for(rng, values)))
            cut = Cut(name, region, low if region.has_lower else None, high if region.has_upper else None)
            bins[number] = LearnedCut(cut)
    return LearnedCut.from_bins(binned.binned_in, binned.edges, tuple(bins))


def binned_corpus(count: int, events: int, seed: int = 11) -> list[tuple[Selections, dict[str, np.ndarray]]]:
    """Draw selections with cuts in bins, each with events to apply it to; most cut on the range of the bins first."""
    rng = np.random.default_rng(seed)
    dtypes = {feature.name: feature.dtype for feature in FEATURES}
    found = []
    while len(found) < count:
        source = columns(rng, events)
        values = feature_columns(source, FEATURES)
        names = rng.choice([feature.name for feature in FEATURES], size=int(rng.integers(2, 5)), replace=False)
        binned_in, *others = map(str, names)
        usable = np.unique(values[binned_in][np.abs(values[binned_in]) < 1e20].astype(np.float64))
        if len(usable) < 4:
            continue
        edges = np.sort(rng.choice(usable, size=int(rng.integers(2, 5)), replace=False)).tolist()
        inside = BinnedCut.range_of(binned_in, edges)
        with np.errstate(over="ignore", under="ignore"):
            steps = [random_binned_step(rng, name, inside, values[name]) for name in others]
        steps.append(random_cut(rng, FEATURES[0], values["x"]))
        if rng.random() < 0.7:
            none = LearnedCut(Cut(binned_in, Region.ALL), active=False)
            steps.insert(0, LearnedCut.from_bins(binned_in, inside.edges, (none,) * len(inside.members)))
        flow = CutFlow(tuple(steps)).rounded(dtypes)
        found.append((Selections("binned", "cabin-scan", (flow,), FEATURES), source))
    return found
