"""`slepton`: a cheap imitation of slepton pairs (220, 200 GeV) against WW → ℓνℓν, pp at 13 TeV, 139 fb⁻¹.

Imitated, from a Pythia sample after its selection (two isolated same-flavour leptons of opposite charge, pT > 10 GeV;
MET > 150 GeV; leading jet pT > 80 GeV): the distributions of MET, jet pT, Δφ(ℓ, MET), lepton pT and ΔR(ℓ, ℓ) to a few
per cent between the 0.1 % and 99.9 % quantiles, and their rank correlations, for signal and for WW; the selected cross
sections. Leptons are ordered by pT, and the transverse masses are computed from the drawn kinematics,
m_T = √(2 pT MET (1 − cos Δφ)).

Not imitated: dependences that are not monotone or not between pairs (momentum balance of the event, the dilepton mass);
a difference between WW → ee and WW → μμ other than the cross section; a detector; other backgrounds; anything that the
selection removed. Good for trying methods, not for physics.
"""

from __future__ import annotations

import numpy as np

from cutflow_cli.events.mock.plan import Block, Draw
from cutflow_cli.events.mock.shapes import CorrelatedShapes, Floats, Shape

_MET_CUT, _JET_CUT, _LEPTON_CUT = 150.0, 80.0, 10.0
#: Largest ΔR of two leptons with |η| < 2.5.
_DR_MAX = float(np.hypot(5.0, np.pi))

# l2_share is (pT2 − 10 GeV)/(pT1 − 10 GeV), which keeps both the order of the leptons and their threshold.
_SIGNAL = CorrelatedShapes(
    {
        "met": Shape(
            _MET_CUT,
            None,
            (150.086, 151.033, 155.261, 166.482, 185.788, 221.157, 279.494, 369.158, 531.382, 804.686, 1330.91),
        ),
        "jet1_pt": Shape(
            _JET_CUT,
            None,
            (80.6499, 85.2163, 101.257, 129.923, 161.662, 204.646, 267.23, 360.365, 531.202, 836.035, 1336.57),
        ),
        "dphi_l1_met": Shape(
            0.0,
            np.pi,
            (0.001286, 0.0156, 0.07888, 0.23996, 0.49238, 0.89037, 1.46731, 2.1644, 2.7777, 3.06827, 3.13442),
        ),
        "dphi_l2_met": Shape(
            0.0,
            np.pi,
            (0.003005, 0.02812, 0.13561, 0.40978, 0.81251, 1.349, 1.94815, 2.46801, 2.89716, 3.09347, 3.13663),
        ),
        "l1_pt": Shape(
            _LEPTON_CUT,
            None,
            (11.0906, 13.6214, 17.8998, 24.5998, 32.0121, 41.9912, 55.1113, 71.1016, 98.0488, 140.351, 219.489),
        ),
        "l2_share": Shape(
            0.0,
            1.0,
            (0.00091, 0.00762, 0.03777, 0.11714, 0.23853, 0.41111, 0.61011, 0.78688, 0.92253, 0.98359, 0.99853),
        ),
        "dr_ll": Shape(
            0.0,
            _DR_MAX,
            (0.12135, 0.37338, 0.87119, 1.48974, 2.03447, 2.50549, 2.85376, 3.07139, 3.27069, 3.63367, 4.17968),
        ),
    },
    (
        (0.75,),
        (-0.21, -0.32),
        (-0.11, -0.08, -0.39),
        (0.18, 0.20, -0.12, 0.07),
        (-0.06, -0.05, 0.08, -0.04, -0.11),
        (-0.17, -0.22, 0.21, 0.38, 0.19, 0.12),
    ),
)
_WW = CorrelatedShapes(
    {
        "met": Shape(
            _MET_CUT,
            None,
            (150.072, 150.601, 153.113, 159.662, 171.337, 192.861, 228.777, 284.569, 388.432, 584.303, 1022.09),
        ),
        "jet1_pt": Shape(
            _JET_CUT,
            None,
            (80.4404, 84.0419, 98.8823, 127.758, 165.389, 216.157, 281.675, 370.96, 520.169, 774.836, 1223.66),
        ),
        "dphi_l1_met": Shape(
            0.0,
            np.pi,
            (0.000905, 0.01199, 0.05977, 0.17963, 0.36338, 0.67771, 1.31958, 2.26343, 2.84832, 3.07924, 3.13664),
        ),
        "dphi_l2_met": Shape(
            0.0,
            np.pi,
            (0.002427, 0.02496, 0.12786, 0.3699, 0.71827, 1.20138, 1.82657, 2.42145, 2.88804, 3.09374, 3.13689),
        ),
        "l1_pt": Shape(
            _LEPTON_CUT,
            None,
            (12.4285, 16.5456, 23.6676, 34.1593, 48.6119, 71.8912, 108.504, 166.279, 277.33, 485.958, 902.703),
        ),
        "l2_share": Shape(
            0.0, 1.0, (0.00092, 0.00724, 0.03377, 0.0943, 0.18861, 0.34083, 0.54136, 0.74101, 0.9019, 0.97908, 0.99739)
        ),
        "dr_ll": Shape(
            0.0,
            _DR_MAX,
            (0.07042, 0.24669, 0.56465, 1.00255, 1.50864, 2.11019, 2.67319, 3.0765, 3.52897, 4.16647, 4.81462),
        ),
    },
    (
        (0.51,),
        (-0.14, -0.53),
        (-0.12, -0.16, -0.10),
        (0.17, 0.40, -0.26, -0.12),
        (-0.05, -0.09, 0.11, -0.17, -0.27),
        (-0.08, -0.26, 0.24, 0.33, -0.05, -0.02),
    ),
)


def draw(block: Block) -> Draw:
    """Draw one block.

    Args:
        block: what to draw.

    Returns:
        Features of signal, WW → ee, WW → μμ.
    """
    laws = (_SIGNAL, _WW, _WW)
    parts = [
        _observables(law.draw(block.generator(process), size))
        for process, (law, size) in enumerate(zip(laws, block.sizes, strict=True))
    ]
    names = [feature.name for feature in block.plan.features]
    return Draw({name: np.concatenate([part[name] for part in parts]).astype(np.float32) for name in names})


def _observables(drawn: dict[str, Floats]) -> dict[str, Floats]:
    met = drawn["met"]
    l1_pt = drawn["l1_pt"]
    l2_pt = _LEPTON_CUT + drawn["l2_share"] * (l1_pt - _LEPTON_CUT)
    return drawn | {
        "mt_l1": np.sqrt(2 * l1_pt * met * (1 - np.cos(drawn["dphi_l1_met"]))),
        "mt_l2": np.sqrt(2 * l2_pt * met * (1 - np.cos(drawn["dphi_l2_met"]))),
    }
