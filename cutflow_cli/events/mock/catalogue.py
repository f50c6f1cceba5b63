"""Which mocks there are: names, processes, normalisation, defaults. No numbers are drawn here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from cutflow_cli.errors import UsageError, nearest
from cutflow_cli.events.schema import FeatureInfo, Role


class Family(Enum):
    """The law that a mock is drawn from, one module each."""

    PUBLISHED = "published"
    GAUSSIANS = "gaussians"
    SLEPTON = "slepton"
    ZPRIME = "zprime"


@dataclass(frozen=True, slots=True)
class MockProcess:
    """One process of a mock.

    Attributes:
        name: the value in the column `process`.
        role: `signal` or `background`.
        cross_section: in pb, of the events as they are in the file; the weights of the process sum to it times the
            luminosity.
        share: of the mock's events.
    """

    name: str
    role: Role
    cross_section: float
    share: float


@dataclass(frozen=True, slots=True)
class Mock:
    """What a mock is.

    Attributes:
        name: how the user asks for it.
        family: the law that it is drawn from.
        summary: a line for the help.
        features: the features in order; empty where their number is an option.
        processes: signal first.
        luminosity: in fb⁻¹.
        events: default number of events.
        seed: default seed.
        fractions: default shares of train, validation and test.
        published_split: the split is part of the publication and can't be chosen.
        features_count: default number of features where it is an option, else None.
        spectators: columns carried along, float32.
        has_hypothesis: signal events carry the mass that they were generated with.
        minimum_per_process: fewest events of a process that the law can be drawn with.
    """

    name: str
    family: Family
    summary: str
    features: tuple[FeatureInfo, ...]
    processes: tuple[MockProcess, ...]
    luminosity: float
    events: int
    seed: int = 42
    fractions: tuple[float, float, float] = (0.6, 0.2, 0.2)
    published_split: bool = False
    features_count: int | None = None
    spectators: tuple[str, ...] = ()
    has_hypothesis: bool = False
    minimum_per_process: int = 2


def _numbered(positions: tuple[int, ...]) -> tuple[FeatureInfo, ...]:
    return tuple(FeatureInfo(f"x{position}", label=f"$x_{{{position}}}$") for position in positions)


#: The benchmark of arXiv:2503.22498: σ_s/√σ_b is what its significance depends on; 3000 fb⁻¹.
_LCF_PROCESSES = (MockProcess("signal", "signal", 1e-3, 0.5), MockProcess("background", "background", 1.0, 0.5))


def _published(name: str, positions: tuple[int, ...], summary: str) -> Mock:
    return Mock(
        name=name,
        family=Family.PUBLISHED,
        summary=summary,
        features=_numbered(positions),
        processes=_LCF_PROCESSES,
        luminosity=3000.0,
        events=200_000,
        fractions=(0.5, 0.0, 0.5),
        published_split=True,
    )


_GAUSSIANS = Mock(
    name="gaussians",
    family=Family.GAUSSIANS,
    summary="m independent Gaussian features, random means and widths per class",
    features=(),
    processes=_LCF_PROCESSES,
    luminosity=3000.0,
    events=40_000,
    features_count=10,
)

_SLEPTON = Mock(
    name="slepton",
    family=Family.SLEPTON,
    summary="imitation of slepton pairs against WW → ℓνℓν at 13 TeV",
    features=(
        FeatureInfo("met", unit="GeV", label=r"$E_\mathrm{T}^\mathrm{miss}$"),
        FeatureInfo("jet1_pt", unit="GeV", label=r"$p_\mathrm{T}(j_1)$"),
        FeatureInfo("dphi_l1_met", unit="rad", label=r"$\Delta\phi(\ell_1, E_\mathrm{T}^\mathrm{miss})$"),
        FeatureInfo("dphi_l2_met", unit="rad", label=r"$\Delta\phi(\ell_2, E_\mathrm{T}^\mathrm{miss})$"),
        FeatureInfo("mt_l1", unit="GeV", label=r"$m_\mathrm{T}(\ell_1)$"),
        FeatureInfo("mt_l2", unit="GeV", label=r"$m_\mathrm{T}(\ell_2)$"),
        FeatureInfo("dr_ll", label=r"$\Delta R(\ell, \ell)$"),
    ),
    processes=(
        MockProcess("slepton", "signal", 7.61317e-4, 0.5),
        MockProcess("WW_ee", "background", 4.67407e-3, 0.25),
        MockProcess("WW_mumu", "background", 5.02540e-3, 0.25),
    ),
    luminosity=139.0,
    events=60_000,
)

#: Generated masses in GeV, 1 fb each.
ZPRIME_MASSES = tuple(0.5 * step for step in range(1, 18))
#: Equally probable intervals of m2_recoil among the drawn events of a background, each with its own weight.
ZPRIME_STRATA = 20

_ZPRIME = Mock(
    name="zprime",
    family=Family.ZPRIME,
    summary="imitation of e⁺e⁻ → μ⁺μ⁻ Z'(invisible) at 10.58 GeV, 17 masses, weighted backgrounds",
    features=(
        FeatureInfo("pt_thrust", unit="GeV", label=r"$p_\mathrm{T}^\mathrm{thrust}$"),
        FeatureInfo("pt_max_wrt_min", unit="GeV", label=r"$p_\perp(\mu_\mathrm{max}; \mu_\mathrm{min})$"),
        FeatureInfo("pl_max_wrt_min", unit="GeV", label=r"$p_\parallel(\mu_\mathrm{max}; \mu_\mathrm{min})$"),
        FeatureInfo("pt_mumu", unit="GeV", label=r"$p_\mathrm{T}(\mu\mu)$"),
    ),
    processes=(
        MockProcess("signal", "signal", 1e-3 * len(ZPRIME_MASSES), 0.4),
        MockProcess("mumu", "background", 716.138, 0.25),
        MockProcess("tautau", "background", 16.1852, 0.1),
        MockProcess("eemumu", "background", 1311.43, 0.25),
    ),
    luminosity=50.0,
    events=200_000,
    spectators=("m2_recoil", "m_recoil"),
    has_hypothesis=True,
    minimum_per_process=max(ZPRIME_STRATA, len(ZPRIME_MASSES)),
)

MOCKS: dict[str, Mock] = {
    mock.name: mock
    for mock in (
        _published("mock1", (1, 2, 3, 4), "one feature for each region: below, above, inside, outside"),
        _published("mock2", (1, 5, 6), "the same region, weaker and stronger"),
        _published("mock3", (1, 7, 8), "one useful feature, two without information"),
        _published("mock4", (1, 9, 10), "one useful feature, two correlated with it"),
        _published("mock5", (1, 2, 3, 4, 5, 7, 9), "all kinds together"),
        _published("mock6", (1, 2, 7, 3, 5, 4, 9), "mock5 with its features in another order, split again"),
        _GAUSSIANS,
        _SLEPTON,
        _ZPRIME,
    )
}


def find_mock(name: str) -> Mock:
    """Return a mock by its name.

    Raises:
        UsageError: if there is none of that name.
    """
    if name not in MOCKS:
        msg = f"no mock {name!r}; {nearest(name, MOCKS)}"
        raise UsageError(msg)
    return MOCKS[name]
