"""`zprime`: a cheap imitation of e⁺e⁻ → μ⁺μ⁻ Z'(invisible) at √s = 10.58 GeV, 50 fb⁻¹, in bins of the recoil mass.

Imitated, from a generated sample with smearing and acceptance: signal at 17 masses, 0.5 to 8.5 GeV, whose m2_recoil
peaks at mass² with the core width of that mass and a tail from initial-state radiation; backgrounds μμ(γ), ττ → μμ and
eeμμ with their m2_recoil spectra, accepted cross sections, and the distributions of the four features, mostly to ten or
twenty per cent; rank correlations of the features with each other and with m2_recoil; kinematic limits. As in that
sample, more background events are drawn where m2_recoil is rare: each background has 20 equally filled intervals of
m2_recoil, each with its own weight, which spans two to three orders of magnitude. `hypothesis` is the generated mass
(null for background).

Not imitated: the dependence of the signal's features on its mass other than through m2_recoil and the kinematic limits;
of the acceptance on the mass (each mass has 1 fb in the file, and as many events as the others); the kinematic relation
that ties the three momenta to m2_recoil exactly; weights that depend on pt_mumu, so effective numbers of background
events are smaller; dependences that are not monotone. Good for trying methods, not for physics.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.events.mock.catalogue import ZPRIME_MASSES, ZPRIME_STRATA
from cutflow_cli.events.mock.plan import Block, Draw
from cutflow_cli.events.mock.shapes import Floats
from cutflow_cli.events.mock.zprime_shapes import BACKGROUNDS, CORE_MEANS, CORE_SIGMAS, SIGNAL, Part

SQRT_S = 10.58  # GeV


def draw(block: Block) -> Draw:
    """Draw one block.

    Args:
        block: what to draw.

    Returns:
        Features, recoil masses, weights and hypotheses of signal, μμ, ττ, eeμμ.
    """
    mass = _groups(block, 0, len(ZPRIME_MASSES))
    parts = [_signal(block, mass)]
    weights = [_relative_weights(mass, block.plan.events[0], (1.0,) * len(ZPRIME_MASSES))]
    for process, background in enumerate(BACKGROUNDS, start=1):
        stratum = _groups(block, process, ZPRIME_STRATA)
        parts.append(_background(block.generator(process), background, stratum))
        shares = tuple(share for part in background for share in part.shares)
        weights.append(_relative_weights(stratum, block.plan.events[process], shares))
    columns = {name: np.concatenate([part[name] for part in parts]).astype(np.float32) for name in parts[0]}
    hypothesis = np.full(sum(block.sizes), np.nan)
    hypothesis[: block.sizes[0]] = np.asarray(ZPRIME_MASSES)[mass]
    return Draw(columns, None, np.concatenate(weights), hypothesis)


def _groups(block: Block, process: int, number: int) -> NDArray[np.int64]:
    """Deal the events of a process to groups in turn, on from the block before; shape (events,)."""
    first = block.first[process]
    return np.arange(first, first + block.sizes[process]) % number


def _signal(block: Block, mass: NDArray[np.int64]) -> dict[str, Floats]:
    drawn = SIGNAL.draw(block.generator(0), block.sizes[0])
    recoil = np.asarray(CORE_MEANS)[mass] + np.asarray(CORE_SIGMAS)[mass] * drawn["pull"]
    return _observables(recoil, drawn)


def _background(
    generator: np.random.Generator, parts: tuple[Part, ...], stratum: NDArray[np.int64]
) -> dict[str, Floats]:
    """Draw events of one background, each in its interval of m2_recoil."""
    drawn = {name: np.empty(len(stratum)) for name in parts[0].law.shapes}
    first = 0
    for part in parts:
        number = len(part.shares)
        rows = np.flatnonzero((stratum >= first) & (stratum < first + number))
        # Never level 0 or 1, where the normal score is infinite.
        level = (stratum[rows] - first + generator.uniform(1e-12, 1.0 - 1e-12, len(rows))) / number
        score = np.fromiter(map(NormalDist().inv_cdf, level.tolist()), np.float64, len(level))
        for name, values in part.law.draw(generator, len(rows), score).items():
            drawn[name][rows] = values
        first += number
    return _observables(drawn["recoil"], drawn)


def _relative_weights(group: NDArray[np.int64], events: int, shares: tuple[float, ...]) -> Floats:
    """Weight of each event relative to the mean, such that every group sums to its share over all blocks.

    Args:
        group: group of each event of this block.
        events: number of events in the whole sample, of which event i belongs to group i modulo the number of groups.
        shares: of the groups, up to a common factor.
    """
    number = len(shares)
    members = (events - np.arange(number) + number - 1) // number
    return (np.asarray(shares) / sum(shares) * events / members)[group]


def _observables(recoil: Floats, drawn: dict[str, Floats]) -> dict[str, Floats]:
    """Compute the columns from what was drawn.

    Args:
        recoil: squared recoil mass in GeV².
        drawn: the harder muon's momentum, opening, thrust and pair, relative as their shapes say.
    """
    most = (SQRT_S**2 - np.maximum(recoil, 0.0)) / (2 * SQRT_S)
    momentum = drawn["momentum"] * most
    pt_max = momentum * np.sin(drawn["opening"])
    return {
        "pt_thrust": drawn["thrust"] * pt_max,
        "pt_max_wrt_min": pt_max,
        "pl_max_wrt_min": -momentum * np.cos(drawn["opening"]),
        "pt_mumu": drawn["pair"] * most,
        "m2_recoil": recoil,
        "m_recoil": np.sign(recoil) * np.sqrt(np.abs(recoil)),
    }
