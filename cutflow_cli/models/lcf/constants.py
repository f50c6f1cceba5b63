"""Numbers that all parts of LCF share: parameter layout, mask rules, Keras' conventions."""

from __future__ import annotations

import math

#: Positions in the parameters of a feature: importance logit, lower weight and bias, upper weight and bias.
K, WL, BL, WU, BU = range(5)
#: Which events go on to the next feature.
PARALLEL, SEQUENTIAL_AND, SEQUENTIAL_APPLIED = range(3)
#: |logit| at which Keras' binary cross entropy clips probabilities (1e-7): beyond it the gradient is zero.
LOGIT_CLIP = math.log((1.0 - 1e-7) / 1e-7)
#: Adam's constants in Keras: decay of the two moments, and epsilon.
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-7
#: Keras' glorot_uniform for a kernel or bias of shape (2,): uniform within sqrt(6 / (2 + 2)).
INITIAL_LIMIT = math.sqrt(6 / 4)


def logit(probability: float) -> float:
    """Inverse of the logistic function."""
    return math.log(probability / (1 - probability))
