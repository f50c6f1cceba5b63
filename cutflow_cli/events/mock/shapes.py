"""Correlated random numbers with given marginal distributions: what the imitations of real samples are made of.

A Gaussian copula: normal scores z with a given correlation matrix, each mapped through the quantiles of its own
distribution. It reproduces the quantiles given and the rank correlations between pairs; nothing beyond pairs, and no
dependence that is not monotone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Levels of the quantiles that describe a distribution, and the normal scores that belong to them.
LEVELS = (0.001, 0.01, 0.05, 0.15, 0.3, 0.5, 0.7, 0.85, 0.95, 0.99, 0.999)
SCORES = (-3.090232, -2.326348, -1.644854, -1.036433, -0.524401, 0.0, 0.524401, 1.036433, 1.644854, 2.326348, 3.090232)


@dataclass(frozen=True, slots=True)
class Shape:
    """A distribution between bounds, given by its quantiles.

    Between the quantiles it is interpolated, and beyond them continued, linearly in log(x − low), or in
    log((x − low)/(high − x)) where there is an upper bound, against the normal score. So no value leaves the bounds,
    and a tail without bound falls like that of a log-normal distribution.

    Attributes:
        low: lower bound.
        high: upper bound; None for none.
        quantiles: values at `LEVELS`, rising.
    """

    low: float
    high: float | None
    quantiles: tuple[float, ...]

    def at(self, score: Floats) -> Floats:
        """Return the values that belong to normal scores, in the same shape."""
        known = np.asarray(self.quantiles)
        straight = np.log(known - self.low)
        if self.high is not None:
            straight -= np.log(self.high - known)
        scores = np.asarray(SCORES)
        value = np.interp(score, scores, straight)
        for end, inner, beyond in ((0, 1, score < scores[0]), (-1, -2, score > scores[-1])):
            slope = (straight[end] - straight[inner]) / (scores[end] - scores[inner])
            value = np.where(beyond, straight[end] + slope * (score - scores[end]), value)
        if self.high is None:
            return self.low + np.exp(value)
        return self.low + (self.high - self.low) / (1.0 + np.exp(-value))


@dataclass(frozen=True, slots=True)
class CorrelatedShapes:
    """Several distributions and the correlations of their normal scores.

    Attributes:
        shapes: the distributions by name.
        correlations: below the diagonal: row i holds the correlations of shape i + 1 with shapes 0 … i.
    """

    shapes: dict[str, Shape]
    correlations: tuple[tuple[float, ...], ...]

    @property
    def matrix(self) -> Floats:
        """The correlation matrix of the normal scores, shape (shapes, shapes)."""
        matrix = np.eye(len(self.shapes))
        for row, values in enumerate(self.correlations, start=1):
            matrix[row, :row] = matrix[:row, row] = values
        return matrix

    def draw(self, generator: np.random.Generator, events: int, first_score: Floats | None = None) -> dict[str, Floats]:
        """Draw values of all shapes.

        Args:
            generator: random numbers.
            events: how many.
            first_score: normal scores of the first shape, shape (events,), where they are not to be drawn.

        Returns:
            Values by name, each of shape (events,).
        """
        independent = generator.standard_normal((len(self.shapes), events))
        if first_score is not None:
            independent[0] = first_score
        scores = np.linalg.cholesky(self.matrix) @ independent
        return {name: shape.at(scores[row]) for row, (name, shape) in enumerate(self.shapes.items())}
