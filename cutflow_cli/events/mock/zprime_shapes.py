"""The numbers behind the mock `zprime`: quantiles and correlations taken from a generated sample.

Signal's m2_recoil is given relative to the core of its mass. A background is drawn in 20 equally filled intervals of
m2_recoil, narrow where its cross section is and wide elsewhere, each with its share of the cross section, so that rare
regions are populated. μμ is described apart where nothing but a photon or none recoils (m2_recoil below 0.1 GeV²), and
eeμμ where the muon pair is soft (above 75 GeV²), since most of their cross sections lie there and look different.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cutflow_cli.events.mock.catalogue import ZPRIME_STRATA
from cutflow_cli.events.mock.shapes import CorrelatedShapes, Shape

#: Centre and width of the Gaussian core of m2_recoil per mass, GeV².
CORE_MEANS = (
    *(0.26094, 1.0121, 2.2733, 4.0203, 6.282, 9.0313, 12.273, 16.026, 20.283),
    *(25.025, 30.274, 36.02, 42.265, 49.018, 56.27, 64.016, 72.265),
)
CORE_SIGMAS = (
    *(0.088437, 0.12217, 0.16738, 0.17337, 0.1952, 0.19699, 0.19974, 0.18785, 0.19486),
    *(0.18782, 0.17399, 0.1726, 0.15812, 0.14389, 0.1248, 0.10756, 0.091283),
)

_RECOIL_LOW, _RECOIL_HIGH = -0.95, 95.0


@dataclass(frozen=True, slots=True)
class Part:
    """Consecutive intervals of m2_recoil of one background.

    Attributes:
        law: the distributions there; `recoil` is the first.
        shares: of the background's cross section in each interval.
    """

    law: CorrelatedShapes
    shares: tuple[float, ...]


def _recoil(*quantiles: float) -> Shape:
    """Squared recoil mass of the drawn events, GeV²."""
    return Shape(_RECOIL_LOW, _RECOIL_HIGH, quantiles)


def _momentum(*quantiles: float) -> Shape:
    """Momentum of the harder muon over half the energy that the recoil leaves; above one by smearing only."""
    return Shape(0.45, 1.05, quantiles)


def _opening(*quantiles: float) -> Shape:
    """π minus the angle between the muons."""
    return Shape(0.0, np.pi, quantiles)


def _thrust(*quantiles: float) -> Shape:
    """pt_thrust / pt_max_wrt_min, at most 1/√2: equal momenta at a right angle."""
    return Shape(0.0, np.sqrt(0.5), quantiles)


def _pair(*quantiles: float) -> Shape:
    """pt_mumu over the momentum that the recoil leaves at most."""
    return Shape(0.0, 1.0, quantiles)


SIGNAL = CorrelatedShapes(
    {
        # Distance from the core's centre in widths of the core.
        "pull": Shape(
            -12.0, 300.0, (-5.187, -2.769, -1.65, -0.8881, -0.2825, 0.4071, 1.487, 7.024, 34.92, 100.1, 216.4)
        ),
        "momentum": _momentum(0.5104, 0.5348, 0.5744, 0.6325, 0.6972, 0.7734, 0.8497, 0.9127, 0.9627, 0.9881, 0.9972),
        "opening": _opening(0.01537, 0.05274, 0.1349, 0.2893, 0.5116, 0.8448, 1.2657, 1.7282, 2.2846, 2.7521, 3.0174),
        "thrust": _thrust(0.09765, 0.1393, 0.2076, 0.288, 0.3605, 0.4269, 0.4772, 0.5142, 0.5785, 0.6444, 0.6866),
        "pair": _pair(0.01589, 0.04709, 0.1093, 0.2063, 0.3218, 0.4658, 0.614, 0.7418, 0.8631, 0.9475, 0.9865),
    },
    ((-0.09,), (0.03, -0.60), (0.03, -0.66, 0.05), (0.0, -0.23, 0.70, -0.20)),
)
_MUMU_PEAK = CorrelatedShapes(
    {
        "recoil": _recoil(
            -0.4983, -0.2907, -0.1121, -0.01351, -0.001271, -1.5e-6, 0.00139, 0.01441, 0.07631, 0.1037, 0.1053
        ),
        "momentum": _momentum(0.5697, 0.7102, 0.9162, 0.9866, 0.9968, 0.9999, 1.0022, 1.0043, 1.0066, 1.0093, 1.0125),
        "opening": _opening(
            2.572e-9, 2.695e-8, 1.376e-7, 4.794e-7, 6.172e-6, 0.0003603, 0.005718, 0.04183, 0.3484, 1.4589, 2.1557
        ),
        "thrust": _thrust(0.298, 0.3907, 0.4689, 0.494, 0.4977, 0.4987, 0.4993, 0.4997, 0.4999, 0.5164, 0.6302),
        "pair": _pair(
            1.226e-5, 0.000107, 0.0004177, 0.001093, 0.002118, 0.003769, 0.006311, 0.01059, 0.02554, 0.08359, 0.2748
        ),
    },
    ((-0.15,), (-0.03, -0.65), (0.20, 0.14, -0.41), (-0.20, -0.09, 0.36, -0.60)),
)
_MUMU_TAIL = CorrelatedShapes(
    {
        "recoil": _recoil(0.10608, 0.11138, 0.13718, 0.22169, 0.50167, 2.3177, 7.4477, 23.073, 55.478, 78.298, 87.712),
        "momentum": _momentum(0.5238, 0.5449, 0.589, 0.6586, 0.7348, 0.815, 0.8818, 0.93, 0.9631, 0.9794, 0.9934),
        "opening": _opening(0.002833, 0.01353, 0.04681, 0.1345, 0.2919, 0.591, 1.0405, 1.5158, 1.951, 2.2246, 2.5072),
        "thrust": _thrust(0.1293, 0.238, 0.3362, 0.3907, 0.4351, 0.4712, 0.4935, 0.5168, 0.5807, 0.6454, 0.6866),
        "pair": _pair(
            0.0001543, 0.0005087, 0.001392, 0.003361, 0.007592, 0.01934, 0.0454, 0.1103, 0.251, 0.4996, 0.8311
        ),
    },
    ((-0.55,), (0.16, -0.67), (-0.02, -0.47, 0.06), (0.27, -0.11, 0.12, -0.14)),
)
_TAUTAU = CorrelatedShapes(
    {
        "recoil": _recoil(1.3366, 3.9603, 9.4394, 18.111, 28.088, 40.518, 53.579, 65.444, 76.833, 84.955, 89.85),
        "momentum": _momentum(0.5185, 0.5462, 0.5893, 0.6459, 0.7062, 0.7749, 0.8396, 0.8916, 0.935, 0.9624, 0.9791),
        "opening": _opening(0.01677, 0.05213, 0.1167, 0.2112, 0.3203, 0.4641, 0.6403, 0.8506, 1.1656, 1.7542, 2.6198),
        "thrust": _thrust(0.1013, 0.1313, 0.1789, 0.2441, 0.3108, 0.3802, 0.4389, 0.4794, 0.5075, 0.572, 0.6549),
        "pair": _pair(0.01329, 0.04007, 0.09014, 0.1635, 0.2475, 0.3498, 0.465, 0.5794, 0.7013, 0.8039, 0.873),
    },
    ((-0.65,), (0.48, -0.19), (0.18, -0.83, -0.06), (0.09, 0.45, 0.48, -0.61)),
)
_EEMUMU_BULK = CorrelatedShapes(
    {
        "recoil": _recoil(0.33564, 1.3063, 5.1081, 16.26, 32.521, 49.076, 61.708, 69.213, 73.553, 75.141, 75.517),
        "momentum": _momentum(0.5106, 0.5214, 0.5424, 0.5758, 0.6166, 0.6695, 0.7257, 0.7787, 0.8426, 0.9027, 0.9445),
        "opening": _opening(0.006186, 0.03487, 0.1319, 0.3735, 0.7856, 1.318, 1.7688, 2.046, 2.228, 2.4374, 2.8543),
        "thrust": _thrust(0.1495, 0.2109, 0.2908, 0.3547, 0.407, 0.4581, 0.4983, 0.5437, 0.5986, 0.6545, 0.69),
        "pair": _pair(
            0.0001042, 0.0003483, 0.0009743, 0.00253, 0.007541, 0.03011, 0.1038, 0.2486, 0.5255, 0.9117, 0.9866
        ),
    },
    ((-0.33,), (0.04, -0.40), (-0.05, -0.78, 0.16), (0.31, 0.05, 0.17, -0.24)),
)
_EEMUMU_END = CorrelatedShapes(
    {
        "recoil": _recoil(75.574, 75.639, 75.962, 76.839, 78.465, 81.941, 85.117, 87.671, 90.132, 92.306, 93.91),
        "momentum": _momentum(0.4959, 0.5033, 0.5149, 0.5326, 0.5536, 0.5842, 0.6221, 0.662, 0.7061, 0.7459, 0.7837),
        "opening": _opening(0.008119, 0.04456, 0.156, 0.4241, 0.9113, 1.4855, 1.8825, 2.1659, 2.4915, 2.7125, 2.82),
        "thrust": _thrust(0.2631, 0.31, 0.3551, 0.4026, 0.4446, 0.4846, 0.5222, 0.5709, 0.6252, 0.6694, 0.6947),
        "pair": _pair(0.000127, 0.0004768, 0.001413, 0.005137, 0.02864, 0.1726, 0.6311, 0.8229, 0.9317, 0.9666, 0.9802),
    },
    ((-0.41,), (0.03, -0.16), (0.27, -0.80, 0.11), (0.05, -0.11, 0.65, -0.06)),
)
#: Backgrounds in the mock's order, each in parts of rising m2_recoil.
BACKGROUNDS: tuple[tuple[Part, ...], ...] = (
    (
        Part(_MUMU_PEAK, (0.119, 0.229, 0.233, 0.228, 0.12)),
        Part(
            _MUMU_TAIL,
            (
                *(0.0113, 0.00992, 0.00887, 0.00794, 0.00701, 0.00598, 0.00383, 0.00271),
                *(0.00201, 0.00191, 0.0019, 0.0019, 0.00189, 0.00189, 0.00189),
            ),
        ),
    ),
    (Part(_TAUTAU, (1.0 / ZPRIME_STRATA,) * ZPRIME_STRATA),),
    (
        Part(
            _EEMUMU_BULK,
            (
                *(0.000889, 0.00212, 0.00309, 0.0043, 0.00555, 0.00703, 0.00864, 0.0106, 0.0131),
                *(0.0164, 0.0196, 0.0238, 0.0283, 0.0351, 0.0414, 0.0488, 0.0578),
            ),
        ),
        Part(_EEMUMU_END, (0.107, 0.274, 0.293)),
    ),
)
