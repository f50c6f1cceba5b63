"""`gaussians`: m independent Gaussian features, for scans over working points and numbers of features.

Each feature i of each class is N(mean, width) with mean ~ U(−1, 1) and width ~ U(0.5, 1.5), drawn once from the seed.
So some features separate by their means, some by their widths only (a window), some hardly at all. The answer is known:
given the class features are independent, so likelihood ratio and best box follow from one-dimensional integrals.
Feature i has the same means and widths whatever the number of features. Not imitated: anything physical.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.events.mock.plan import Block, Draw

_MEANS = (-1.0, 1.0)
_WIDTHS = (0.5, 1.5)


@dataclass(frozen=True, slots=True)
class GaussianParameters:
    """The law of the features.

    Attributes:
        mean: shape (2, features), signal then background.
        width: standard deviations, shape (2, features).
    """

    mean: NDArray[np.float64]
    width: NDArray[np.float64]


def parameters(seed: int, features: int) -> GaussianParameters:
    """Return the means and widths that a seed stands for.

    Args:
        seed: the seed of the sample.
        features: number of features.
    """
    sequence = np.random.SeedSequence(seed, spawn_key=(0,))
    uniform = np.random.Generator(np.random.PCG64(sequence)).random((features, 2, 2))
    mean = _MEANS[0] + (_MEANS[1] - _MEANS[0]) * uniform[:, 0]
    width = _WIDTHS[0] + (_WIDTHS[1] - _WIDTHS[0]) * uniform[:, 1]
    return GaussianParameters(mean.T, width.T)


def draw(block: Block) -> Draw:
    """Draw one block.

    Args:
        block: what to draw.

    Returns:
        Features of signal, then background.
    """
    names = [feature.name for feature in block.plan.features]
    law = parameters(block.plan.seed, len(names))
    generators = [block.generator(process) for process in range(len(block.sizes))]
    columns = {
        name: np.concatenate(
            [
                generator.normal(law.mean[process, i], law.width[process, i], size).astype(np.float32)
                for process, (generator, size) in enumerate(zip(generators, block.sizes, strict=True))
            ]
        )
        for i, name in enumerate(names)
    }
    return Draw(columns)
