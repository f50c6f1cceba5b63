"""An efficiency scan in bins: each bin meets its target, ties smooth, without ties bins know nothing of each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lcf_cases import make_sample

from cutflow_cli.errors import InputError, UsageError
from cutflow_cli.models.binning import divide, parse_binning
from cutflow_cli.models.cabin.loss import EventSums, loss_and_gradient, positions
from cutflow_cli.models.cabin.model import CabinScan
from cutflow_cli.models.cabin.settings import CabinSettings
from cutflow_cli.models.protocol import TrainingContext
from cutflow_cli.selection.binned import BinnedCut

BINS = "pt:300,320,340,360,380,400"
SLOPE = 1 / 20  # standard deviations that the first feature moves by GeV


def moving_sample(events=3000, seed=1):
    """Both classes move with pt in the first feature, so that the cut has to; pt is a spectator."""
    rng = np.random.default_rng(seed)
    label = (np.arange(events) % 2).astype(np.int8)
    pt = rng.uniform(300, 400, events).astype(np.float32)
    x = rng.normal(size=(events, 2)) + label[:, None] * np.array([1.5, 1.0])
    x[:, 0] += SLOPE * (pt - 350)
    return replace(make_sample(x, label, features=("x0", "x1")), spectators={"pt": pt})


def trained(sample, replicas=1, **chosen):
    settings = CabinSettings(
        **{"targets": (0.5,), "epochs": 20, "binned_in": BINS, "directions": {"x0": "above", "x1": "above"}} | chosen
    )
    return CabinScan(settings).fit(sample, TrainingContext(replicas=range(replicas)))


def agreed(fitted):
    return [flow for flow in fitted.flows if flow.kind == "consensus"]


@pytest.fixture(scope="module")
def tied():
    sample = moving_sample()
    return sample, trained(sample)


def test_every_bin_keeps_the_target_and_the_cut_moves_with_the_observable(tied):
    sample, fitted = tied
    (flow,) = agreed(fitted)
    assert [step.cut.observable for step in flow.steps] == ["pt", "x0", "x1"]
    assert str(flow.cuts[0]) == "300 <= pt < 400"
    table = fitted.tables["bins"]
    signal = table["train_signal_efficiency"]
    assert (signal >= 0.5).all()
    assert (signal < 0.5 + 1.01 / table["train_signal_events"]).all()
    kept = flow.mask(sample.columns, len(sample))
    where = np.digitize(sample.spectators["pt"], parse_binning(BINS).edges) - 1
    for label, role in ((1, "signal"), (0, "background")):
        here = [kept[(where == number) & (sample.label == label)].mean() for number in range(5)]
        assert table[f"train_{role}_efficiency"].tolist() == pytest.approx(here)
    cut = flow.steps[1].cut
    assert isinstance(cut, BinnedCut)
    slope = np.polyfit(parse_binning(BINS).centres, np.array(cut.sides("lower"), dtype=float), 1)[0]
    assert slope == pytest.approx(SLOPE, rel=0.15)


def test_ties_make_cuts_smoother_for_a_price(tied):
    sample, fitted = tied
    assert fitted.resolved["roughness"] < 0.6 * fitted.resolved["free_roughness"]
    free = trained(sample, smoothness=0.0)
    assert free.resolved["roughness"] == free.resolved["free_roughness"] > fitted.resolved["roughness"]
    held, lowest = (one.tables["bins"]["train_background_efficiency"] for one in (fitted, free))
    assert lowest.mean() < held.mean() < 1.35 * lowest.mean()
    points = fitted.tables["working_points"]
    assert (points["background_efficiency"] <= points["moved_background_efficiency"] + 1e-12)[:1].all()


def test_without_ties_bins_know_nothing_of_each_other(tied):
    sample, _ = tied
    other = sample.x.copy()
    last = sample.spectators["pt"] >= 380
    rng = np.random.default_rng(5)
    for label in (0, 1):  # other events in the last bin, of the same moments
        rows = np.flatnonzero(last & (sample.label == label))
        other[rows, 0] = other[rng.permutation(rows), 0]
    cuts = {}
    for strength in (0.0, 10.0):
        pair = [trained(one, smoothness=strength) for one in (sample, replace(sample, x=other))]
        cuts[strength] = [[step.cut.members[:4] for step in agreed(fitted)[0].steps[1:]] for fitted in pair]
    assert cuts[0.0][0] == cuts[0.0][1]
    assert cuts[10.0][0] != cuts[10.0][1]


def test_replicas_agree_bin_by_bin_with_errors(tied):
    sample, _ = tied
    fitted = trained(sample, replicas=3, exact=False)
    (flow,) = agreed(fitted)
    assert [one.kind for one in fitted.flows] == ["replica"] * 3 + ["consensus"]
    for step in flow.steps[1:]:
        assert all(one.lower_error > 0 and one.agreement == 1 for one in step.bins)
        assert len({one.lower_error for one in step.bins}) == 5


def test_a_tied_gradient_is_that_of_equation_8_over_bins():
    """The loss of the bins is the scan's, with the bins' centres for targets; compared with finite differences."""
    rng = np.random.default_rng(2)
    b = rng.normal(size=(4, 2))
    nothing = EventSums(*(np.zeros(4), np.zeros(4), np.zeros((4, 2)), np.zeros((4, 2)), np.zeros(4), np.zeros((4, 2))))
    settings = CabinSettings(alpha=0.0, gamma=0.0, epsilon=2.0)
    between = positions((1.0, 2.0, 4.0, 5.0), "averaged")
    assert between.tolist() == pytest.approx([1 / 3, 2 / 3])

    def loss(bias):
        return loss_and_gradient(bias, nothing, settings, np.full(4, 0.5), between)[0]["loss"]

    by_hand = np.mean(
        [
            (b[t] - b[t - 1] - u * (b[t + 1] - b[t - 1])) ** 2 / ((b[t + 1] - b[t - 1]) ** 2 + 0.1)
            for t, u in ((1, 1 / 3), (2, 2 / 3))
        ]
    )
    assert loss(b) == pytest.approx(2.0 * by_hand)
    gradient = loss_and_gradient(b, nothing, settings, np.full(4, 0.5), between)[1]
    for index in np.ndindex(b.shape):
        step = np.zeros_like(b)
        step[index] = 1e-6
        assert gradient[index] == pytest.approx((loss(b + step) - loss(b - step)) / 2e-6, abs=1e-6)


def test_a_bin_with_too_few_events_is_named():
    sample = moving_sample()
    with pytest.raises(InputError, match=r"pt 310–310.25 has \d+ signal events to train on, 20 are needed"):
        divide(sample, parse_binning("pt:300,310,310.25,400"))
    found = divide(sample, parse_binning("pt:300,310,350"))
    assert any(note.startswith("pt 300–310: only 1") for note in found.notes)
    assert any("of the signal is outside the bins of pt, and fails" in note for note in found.notes)
    with pytest.raises(InputError, match="--binned-in eta: no such column"):
        divide(sample, parse_binning("eta:0,1,2"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pt", "give an observable and the edges"),
        ("pt:", "give an observable and the edges"),
        (":1,2,3", "give an observable and the edges"),
        ("pt:1,b,3", "give an observable and the edges"),
        ("pt:1,2", "two bins at least"),
        ("pt:1,3,2", "must be finite and rise"),
        ("pt:1,2,inf", "must be finite and rise"),
    ],
)
def test_unreadable_bins_are_refused(text, said):
    with pytest.raises(UsageError, match=said):
        parse_binning(text)


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"preset": "cabin-bce", "alpha": 0, "beta": 0, "epsilon": 0, "exact": False}, "--binned-in: cabin-bce is one"),
        ({"learn_weights": True}, "--learn-weights: cuts in bins"),
        ({"binned_in": "pt:1,2,3", "smoothness": 5.0}, "fewer than three bins"),
        ({"smoothness": 0.0, "epsilon": 1.0}, "--epsilon: --smoothness 0 makes bins independent"),
    ],
)
def test_what_does_not_fit_bins_is_refused(chosen, said):
    settings = CabinSettings(**{"binned_in": BINS, **chosen})
    with pytest.raises(UsageError, match=said):
        settings.refuse_unused({"binned_in", *chosen})


def test_names_with_a_colon_and_one_target_are_fine():
    assert parse_binning("jet:4.ht: 1, 2.5,3") == parse_binning("jet:4.ht:1,2.5,3.0")
    settings = CabinSettings(binned_in=" pt : 1, 2,3, 4.5", targets=(0.5,), smoothness=3.0)
    assert settings.binned_in == "pt:1,2,3,4.5"
    settings.refuse_unused({"binned_in", "targets", "smoothness"})
