"""Quality of cabin-scan beside the package `cabin` 0.3.3, and beside an independent search for boxes.

    python benchmarks/cabin_quality.py [--samples gaussians,slepton,diboson] [--epochs 200] [--starts 40]

1. Test split, at each target signal efficiency: ε_b of hard cuts, by linear interpolation of the working points, of
   ours, of `cabin` as released, and of `cabin` with its ε divided by the number of features (`repaired`). The error is
   that of the difference, by a bootstrap of the test events that both share. Both use the same side of each feature.
2. Training split: ε_b of ours with smoothness 0 over the best that an independent search finds, which must be ≤ 1.02.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from cabin_common import Samples, load, require_cabin, train_cabin
from numpy.typing import NDArray

from cutflow_cli.engine.device import resolve_threads
from cutflow_cli.models.cabin.model import CabinScan
from cutflow_cli.models.cabin.settings import TARGETS, CabinSettings
from cutflow_cli.models.protocol import Fitted, TrainingContext

Array = NDArray[np.float64]
RESAMPLES = 400


def ours(samples: Samples, settings: CabinSettings) -> tuple[Fitted, float]:
    started = time.process_time()
    context = TrainingContext(threads=resolve_threads(None), validation=samples.validation)
    return CabinScan(settings).fit(samples.train, context), time.process_time() - started


def kept_by(fitted: Fitted, samples: Samples) -> NDArray[np.bool_]:
    flows = [flow for flow in fitted.flows if flow.kind == "consensus"]
    return np.stack([flow.mask(samples.test.columns, len(samples.test)) for flow in flows])


def interpolated(signal: Array, background: Array, targets: Array) -> Array:
    """ε_b at the targets, from working points in rows of resamples, shape (resamples, points)."""
    result = np.empty((len(signal), len(targets)))
    for i, (s, b) in enumerate(zip(signal, background, strict=True)):
        order = np.argsort(s, kind="stable")
        result[i] = np.interp(targets, np.concatenate([[0], s[order], [1]]), np.concatenate([[0], b[order], [1]]))
    return result


def curves(kept: NDArray[np.bool_], samples: Samples, counts: Array, targets: Array) -> Array:
    test = samples.test
    efficiencies = []
    for value in (1, 0):
        weight = counts * np.where(test.label == value, test.expected, 0.0)
        efficiencies.append(weight @ kept.T.astype(np.float64) / weight.sum(axis=1, keepdims=True))
    return interpolated(*efficiencies, targets)


def area(kept: NDArray[np.bool_], samples: Samples) -> float:
    """Area under the ROC of the working points, joined by straight lines through (0, 0) and (1, 1)."""
    signal = samples.test.label == 1
    s = np.concatenate([[0], kept[:, signal].mean(axis=1), [1]])
    b = np.concatenate([[0], kept[:, ~signal].mean(axis=1), [1]])
    order = np.argsort(b, kind="stable")
    return float(np.trapezoid(s[order], b[order]))


def best_box(v: Array, signal: NDArray[np.bool_], target: float, starts: int, random: np.random.Generator) -> float:
    """An independent search: for random pairs of faces, histogram what passes the others, take the best corner.

    Args:
        v: coordinate of each face, shape (faces, events); an event passes above its threshold.
    """
    faces, total = len(v), signal.sum()
    best = np.inf
    for _ in range(starts):
        share = random.exponential(size=faces)
        cuts = np.array([np.quantile(v[j, signal], 0.5 * (1 - target**p)) for j, p in enumerate(share / share.sum())])
        if (v > cuts[:, None]).all(axis=0)[signal].sum() < target * total:
            cuts[:] = -np.inf
        failures, background = 0, (v > cuts[:, None]).all(axis=0)[~signal].sum()
        while failures < 3 * faces:
            a, b = random.choice(faces, 2, replace=False)
            others = np.delete(np.arange(faces), [a, b])
            left = (v[others] > cuts[others, None]).all(axis=0)
            edges = [np.unique(np.quantile(v[f, left & signal], np.linspace(0, 1, 150) ** 1.5)) for f in (a, b)]
            edges = [np.concatenate([[-np.inf], e[:-1], [np.inf]]) for e in edges]
            counts = []
            for mask in (left & signal, left & ~signal):
                cell = [np.searchsorted(e, v[f, mask], side="left") - 1 for f, e in zip((a, b), edges, strict=True)]
                flat = np.bincount(
                    cell[0] * (len(edges[1]) - 1) + cell[1], minlength=(len(edges[0]) - 1) * (len(edges[1]) - 1)
                )
                square = flat.reshape(len(edges[0]) - 1, -1)
                counts.append(square[::-1, ::-1].cumsum(axis=0).cumsum(axis=1)[::-1, ::-1])
            allowed = np.where(counts[0] >= target * total, counts[1], np.inf)
            i, k = np.unravel_index(int(allowed.argmin()), allowed.shape)
            if allowed[i, k] < background:
                background, cuts[a], cuts[b], failures = int(allowed[i, k]), edges[0][i], edges[1][k], 0
            else:
                failures += 1
        best = min(best, float(refined(v, signal, cuts, target)))
    return best


def refined(v: Array, signal: NDArray[np.bool_], cuts: Array, target: float) -> int:
    """Trade single events: loosen one face by a little, tighten another exactly to the target, as long as it helps."""
    total, faces = signal.sum(), len(v)
    background = int((v > cuts[:, None]).all(axis=0)[~signal].sum())
    improved = True
    while improved:
        improved = False
        for a in range(faces):
            for b in range(faces):
                left = (np.delete(v, [a, b], axis=0) > np.delete(cuts, [a, b])[:, None]).all(axis=0)
                below = np.sort(v[a, left & (v[a] <= cuts[a])])[::-1]
                trials = [cuts[a], *below[1:200:8], -np.inf] if a != b else [-np.inf]
                for trial in trials:
                    reach = left & (v[a] > trial)
                    descending = np.sort(v[b, reach & signal])[::-1]
                    need = int(np.ceil(target * total - 1e-9))
                    if len(descending) < need:
                        continue
                    rejected = v[b, reach & (v[b] < descending[need - 1])]
                    cut = rejected.max() if len(rejected) else -np.inf
                    count = int((reach & (v[b] > cut))[~signal].sum())
                    if count < background:
                        background, improved = count, True
                        cuts[a], cuts[b] = (trial, cut) if a != b else (cut, cut)
    return background


def side_of(fitted: Fitted, names: tuple[str, ...]) -> Array:
    words = fitted.resolved["directions"]
    return np.array([1.0 if words[name] == "above" else -1.0 for name in names])


def beside_cabin(name: str, samples: Samples, epochs: int) -> None:
    cabin = require_cabin()
    settings = CabinSettings()
    fitted, seconds = ours(samples, settings)
    x = samples.train.x.astype(np.float64)
    mean, std = x.mean(axis=0), x.std(axis=0)
    side, targets = side_of(fitted, samples.train.features), np.array(settings.targets)
    z, z_test = (((part.x - mean) / std).astype(np.float32) for part in (samples.train, samples.test))
    kept = {"ours": kept_by(fitted, samples)}
    for label, epsilon in (("released", 1.0), ("repaired", 1.0 / len(side))):
        cuts, spent = train_cabin(cabin, z, samples.train.label, side, settings.targets, epochs, epsilon)
        kept[label] = np.stack([(z_test * side > cut).all(axis=1) for cut in cuts])
        print(f"{name}: cabin {label}, {epochs} epochs: {spent:.1f} CPU s, area {area(kept[label], samples):.3f}")
    print(f"{name}: ours, with the exact step: {seconds:.1f} CPU s, area {area(kept['ours'], samples):.3f}")
    counts = np.random.default_rng(1).poisson(1.0, (RESAMPLES, len(samples.test))).astype(np.float64)
    counts[0] = 1.0
    curve = {label: curves(mask, samples, counts, targets) for label, mask in kept.items()}
    print("  target   ours ε_b   released  diff/σ   repaired  diff/σ")
    for t, target in enumerate(targets):
        row = f"  {target:6.2f}   {curve['ours'][0, t]:.5f}"
        for label in ("released", "repaired"):
            difference = curve["ours"][:, t] - curve[label][:, t]
            sigma = difference[1:].std()
            pull = difference[0] / sigma if sigma > 0 else 0.0
            row += f"   {curve[label][0, t]:.5f}  {pull:+6.1f}"
        print(row)


def beside_search(name: str, samples: Samples, starts: int, targets: tuple[float, ...]) -> None:
    settings = CabinSettings(smoothness=0.0, targets=targets)
    fitted, _ = ours(samples, settings)
    columns = fitted.tables["working_points"]
    consensus = columns["replica"] == -1
    signal = samples.train.label == 1
    v = samples.train.x.T.astype(np.float64) * side_of(fitted, samples.train.features)[:, None]
    print(f"{name}: train, smoothness 0, background events of ours and of the best of {starts} independent searches")
    random = np.random.default_rng(2)
    for target, mine in zip(settings.targets, columns["background_efficiency"][consensus], strict=True):
        best, own = best_box(v, signal, target, starts, random), mine * (~signal).sum()
        ratio = own / best if best else float(own == 0)
        print(f"  {target:6.2f}  {own:8.0f}  {best:8.0f}  ratio {ratio:.4f}", flush=True)


def smoothness(name: str, samples: Samples) -> None:
    for strength in (0.0, 10.0):
        fitted, _ = ours(samples, CabinSettings(smoothness=strength))
        columns = fitted.tables["working_points"]
        replica = columns["replica"] >= 0
        price = columns["price"][replica] / np.maximum(columns["free_background_efficiency"][replica], 1e-12)
        counted = columns["free_background_efficiency"][replica] > 0.001
        print(
            f"{name}: smoothness {strength:g}: roughness {fitted.resolved['roughness']:.3f}, independent fits "
            f"{fitted.resolved['free_roughness']:.3f} standard deviations; largest price {price[counted].max():+.2%}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", default="gaussians,slepton,diboson")
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--starts", type=int, default=40)
    parser.add_argument("--targets", default=",".join(map(str, TARGETS)), help="of the independent search")
    parser.add_argument("--parts", default="cabin,smoothness,search")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name in options.samples.split(","):
            samples = load(name, Path(folder))
            if samples is None:
                continue
            print(f"\n{name}: {len(samples.train)} training events x {len(samples.train.features)} features")
            if "cabin" in options.parts:
                beside_cabin(name, samples, options.epochs)
            if "smoothness" in options.parts:
                smoothness(name, samples)
            if "search" in options.parts:
                beside_search(name, samples, options.starts, tuple(map(float, options.targets.split(","))))


if __name__ == "__main__":
    main()
