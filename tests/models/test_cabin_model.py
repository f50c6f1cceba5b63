"""The whole fit of cabin-scan: what it promises about targets, replicas, directions, resuming and its table."""

from dataclasses import replace

import numpy as np
import pytest
from cabin_cases import gaussian_sample, neurons_of, prepared, stepper_of
from lcf_cases import make_sample
from pydantic import ValidationError

from cutflow_cli.engine.loop import train
from cutflow_cli.errors import Interrupted, UsageError
from cutflow_cli.models.cabin.directions import find_directions
from cutflow_cli.models.cabin.model import CabinScan
from cutflow_cli.models.cabin.prepare import prepare
from cutflow_cli.models.cabin.settings import PRESETS, CabinSettings
from cutflow_cli.models.protocol import TrainingContext
from cutflow_cli.models.settings import resolve_settings
from cutflow_cli.selection.cut import Region

TARGETS = (0.2, 0.5, 0.8)
QUICK = {"targets": TARGETS, "epochs": 30}


def fit(sample, context=None, **chosen):
    settings, _ = resolve_settings(CabinSettings, PRESETS, {**QUICK, **chosen})
    return CabinScan(settings).fit(sample, context or TrainingContext(validation=gaussian_sample(600, 3, seed=99)))


@pytest.fixture(scope="module")
def sample():
    return gaussian_sample(1200, 3, seed=1)


@pytest.fixture(scope="module")
def fitted(sample):
    return fit(sample)


def consensus_of(fitted):
    return [flow for flow in fitted.flows if flow.kind == "consensus"]


def test_every_target_is_met_within_one_event_and_the_table_says_what_is_counted(sample, fitted):
    table = fitted.tables["working_points"]
    signal = sample.label == 1
    for flow in fitted.flows:
        kept = flow.mask(sample.columns, len(sample))
        row = (table["replica"] == flow.replica) & (table["working_point"] == flow.working_point)
        efficiency = kept[signal].mean()
        assert flow.target <= efficiency + 1e-12 < flow.target + 1 / signal.sum() + 1e-9
        assert table["signal_efficiency"][row] == pytest.approx([efficiency])
        assert table["background_efficiency"][row] == pytest.approx([kept[~signal].mean()])
    assert [flow.working_point for flow in consensus_of(fitted)] == [f"signal_efficiency={t:g}" for t in TARGETS]


def test_the_table_has_the_price_of_smoothness_and_what_the_gradient_had(fitted):
    table = fitted.tables["working_points"]
    replica = table["replica"] >= 0
    ours, moved = (table[f"{name}background_efficiency"][replica] for name in ("", "moved_"))
    free = table["free_background_efficiency"][replica]
    assert (free <= ours + 1e-12).all()
    assert (ours <= moved + 1e-12).all()
    np.testing.assert_allclose(table["price"][replica], ours - free)
    assert 0 < fitted.resolved["roughness"] < 1
    assert 0 < fitted.resolved["free_roughness"] < 1
    assert np.isfinite(table["gradient_signal_efficiency"][replica]).all()
    assert len({len(column) for column in table.values()}) == 1


def test_the_recommended_working_point_is_the_best_on_validation(fitted):
    table = fitted.tables["working_points"]
    agreed = table["replica"] == -1
    best = table["working_point"][agreed][np.argmax(table["figure_of_merit"][agreed])]
    assert fitted.recommended == best
    assert set(table["working_point"][table["recommended"]]) == {best}


def test_without_validation_it_is_chosen_on_train_and_said(sample):
    found = fit(sample, TrainingContext())
    assert found.recommended is not None
    assert any("no validation" in text for text in found.warnings)


def test_replicas_are_bootstraps_and_a_block_is_part_of_a_longer_run(sample):
    whole = fit(sample, TrainingContext(replicas=range(3), validation=sample))
    block = fit(sample, TrainingContext(replicas=range(1, 3), validation=sample, threads=2))
    for replica in (1, 2):
        first, second = ([f for f in run.flows if f.replica == replica] for run in (whole, block))
        assert [f.cuts for f in first] == [f.cuts for f in second]
    assert [f.cuts for f in whole.flows if f.replica == 0] != [f.cuts for f in whole.flows if f.replica == 1]
    np.testing.assert_array_equal(
        whole.history["loss"][whole.history["replica"] == 2], block.history["loss"][block.history["replica"] == 2]
    )
    for flow in consensus_of(whole):  # the consensus is moved to the target too
        kept = flow.mask(sample.columns, len(sample))[sample.label == 1].mean()
        assert flow.target <= kept + 1e-12 < flow.target + 1 / 600 + 1e-9
        assert any(step.lower_error is not None or step.upper_error is not None for step in flow.steps)


def test_replicas_that_would_be_the_same_are_refused(sample):
    with pytest.raises(UsageError, match="--no-bootstrap"):
        fit(sample, TrainingContext(replicas=range(2)), bootstrap=False)


def test_the_fit_does_not_depend_on_threads(sample, fitted):
    again = fit(sample, TrainingContext(threads=3, validation=gaussian_sample(600, 3, seed=99)))
    assert [flow.cuts for flow in again.flows] == [flow.cuts for flow in fitted.flows]
    np.testing.assert_array_equal(again.history["loss"], fitted.history["loss"])


def test_an_event_twice_is_an_event_of_weight_two_in_the_whole_fit():
    small = gaussian_sample(500, 3, seed=7)
    heavy = replace(small, weight=np.where(np.arange(500) < 80, 2.0, 1.0))
    doubled = small.take(np.concatenate([np.arange(500), np.arange(80)]))
    chosen = {"class_weights": "physical", "smoothness": 0.0}
    first, second = (
        fit(replace(one, expected=one.weight), TrainingContext(), **chosen).tables["working_points"]
        for one in (heavy, doubled)
    )
    for name in ("signal_efficiency", "background_efficiency", "free_background_efficiency"):
        np.testing.assert_allclose(first[name], second[name], atol=1e-9)
    np.testing.assert_allclose(
        first["gradient_background_efficiency"], second["gradient_background_efficiency"], atol=0.02
    )


@pytest.mark.parametrize("kind", ["fused", "torch"])
def test_a_resumed_training_is_the_uninterrupted_one(kind, tmp_path):
    data, settings = prepared(gaussian_sample(400, 3), targets=TARGETS, epochs=12)
    whole = stepper_of(kind, data, neurons_of(3), settings)
    history = train(whole, 12)
    calls = iter([None] * 4 + ["TERM"])
    with pytest.raises(Interrupted):
        train(
            stepper_of(kind, data, neurons_of(3), settings), 12, checkpoint=tmp_path / "c.npz",
            stop_reason=lambda: next(calls),
        )  # fmt: skip
    rest = stepper_of(kind, data, neurons_of(3), settings)
    resumed = train(rest, 12, checkpoint=tmp_path / "c.npz")
    np.testing.assert_array_equal(whole.state()["bias"], rest.state()["bias"])
    np.testing.assert_array_equal(history["loss"], resumed["loss"])


def test_both_paths_learn_the_same():
    data, settings = prepared(gaussian_sample(1500, 3), targets=TARGETS, epochs=60)
    biases = []
    for kind in ("fused", "torch"):
        stepper = stepper_of(kind, data, neurons_of(3), settings)
        train(stepper, 60)
        biases.append(stepper.state()["bias"])
    np.testing.assert_allclose(biases[0], biases[1], atol=1e-4)


def test_a_stop_is_heard_between_replicas(sample):
    asked = iter([None] * 30 + ["TERM"])
    with pytest.raises(Interrupted, match="exact step of replica 0"):
        fit(sample, TrainingContext(stop_reason=lambda: next(asked)))


def test_the_default_learning_reaches_its_targets_before_the_exact_step():
    found = fit(gaussian_sample(4000, 3, seed=2), targets=(0.2, 0.5, 0.8), epochs=200, exact=False)
    table = found.tables["working_points"]
    np.testing.assert_allclose(table["signal_efficiency"], table["target"], atol=0.03)


def test_directions_are_found_given_and_decided_by_hard_cuts_where_means_are_equal():
    rng = np.random.default_rng(3)
    label = np.arange(3000) % 2
    equal = np.where(label == 1, rng.exponential(1.0, 3000), 1 + rng.normal(0, 0.1, 3000))  # same mean; signal below
    x = np.stack([rng.normal(size=3000) + label, rng.normal(size=3000) - label, equal], axis=1)
    sample = make_sample(x, label, features=("up", "down", "equal"))
    settings = CabinSettings(exact=False)
    found = find_directions(sample, prepare(sample, settings), settings)
    np.testing.assert_array_equal(found.side, [1, -1, -1])
    given = CabinSettings(exact=False, directions={"up": "below"})
    assert find_directions(sample, prepare(sample, given), given).side[0] == -1


def test_a_feature_that_separates_on_both_sides_is_told_of_and_windows_use_it():
    rng = np.random.default_rng(3)
    label = np.arange(4000) % 2
    peak = np.where(label == 1, rng.normal(0, 0.5, 4000), rng.normal(0, 3.0, 4000))
    sample = make_sample(np.stack([peak, rng.normal(size=4000) + label], axis=1), label, features=("mass", "pt"))
    single, both = (fit(sample, TrainingContext(), windows=windows) for windows in (False, True))
    regions = {flow.working_point: flow.steps[0].cut.region for flow in consensus_of(both)}
    assert Region.INSIDE in regions.values()
    assert both.resolved["directions"]["mass"] == "both"
    backgrounds = [run.tables["working_points"]["background_efficiency"][0] for run in (single, both)]
    assert backgrounds[1] < 0.6 * backgrounds[0]


def test_windows_start_open_so_that_the_gradient_learns_them():
    sample = gaussian_sample(3000, 3, seed=4)
    found = fit(sample, TrainingContext(), windows=True, exact=False, epochs=200)
    table = found.tables["working_points"]
    np.testing.assert_allclose(table["signal_efficiency"], table["target"], atol=0.05)
    assert (table["background_efficiency"] < table["signal_efficiency"]).all()


def test_a_side_that_is_better_for_some_targets_only_is_told():
    """Signal at 0 (60%) and 10, background below (30%), between (50%) and above (20%).

    A tight selection is best above, since less background lies there; half of the signal is best kept below, without
    what lies between the peaks.
    """
    rng = np.random.default_rng(5)
    label = np.arange(8000) % 2
    signal = np.where(rng.random(8000) < 0.6, 0.0, 10.0) + rng.normal(0, 0.1, 8000)
    background = rng.choice([-5.0, 5.0, 15.0], p=[0.3, 0.5, 0.2], size=8000) + rng.normal(0, 0.5, 8000)
    mass = np.where(label == 1, signal, background)
    sample = make_sample(np.stack([mass, rng.normal(size=8000)], axis=1), label, features=("mass", "noise"))
    found = fit(sample, TrainingContext(), targets=(0.2, 0.5, 0.8, 0.95))
    assert any(text.startswith("mass: kept") and "--windows" in text for text in found.warnings)


def test_learned_weights_find_the_side_themselves(sample):
    found = fit(sample, learn_weights=True, epochs=60)
    table = found.tables["working_points"]
    assert found.resolved["directions"] == dict.fromkeys(sample.features, "learned")
    replica = table["replica"] >= 0
    assert (table["signal_efficiency"][replica] >= np.array(TARGETS) - 1e-9).all()
    assert (table["background_efficiency"] < table["signal_efficiency"] - 0.05).all()


def test_the_single_network_has_one_working_point(sample):
    settings, _ = resolve_settings(CabinSettings, PRESETS, {"preset": "cabin-bce", "epochs": 80, "learning_rate": 0.02})
    found = CabinScan(settings).fit(sample, TrainingContext())
    assert [(flow.working_point, flow.target) for flow in found.flows] == [("default", None)] * 2
    assert found.recommended is None
    assert np.isnan(found.tables["working_points"]["target"]).all()
    loss = found.history["loss_bce"]
    assert loss[-1] < 0.5 * loss[0]
    assert (found.history["loss_efficiency"] == 0).all()


def test_history_has_every_term(fitted):
    terms = [name for name in fitted.history if name.startswith("loss_")]
    assert terms == ["loss_efficiency", "loss_background", "loss_cut_size", "loss_bce", "loss_smoothness"]
    total = sum(fitted.history[name] for name in terms)
    np.testing.assert_allclose(fitted.history["loss"], total)


def test_features_that_do_not_cut_are_inactive_with_a_word():
    rng = np.random.default_rng(3)
    label = np.arange(900) % 2
    x = np.stack([rng.normal(size=900) + 3 * label, label + np.where(label == 1, rng.random(900), 0.0)], axis=1)
    x[:, 1] = rng.permutation(x[:, 1])
    found = fit(make_sample(x, label), TrainingContext(), targets=(0.9,), smoothness=0.0)
    steps = [step for flow in found.flows for step in flow.steps if not step.active]
    assert all(step.cut.region is Region.ALL and "rejects no" in step.note for step in steps)
    assert found.recommended is None


@pytest.mark.parametrize("targets", [(0.0, 0.5), (0.5, 1.0), (-0.1,), (), (0.5, 0.5), (50,)])
def test_targets_are_distinct_and_between_zero_and_one(targets):
    with pytest.raises(ValidationError):
        CabinSettings(targets=targets)


@pytest.mark.parametrize(
    ("chosen", "word"),
    [
        ({"preset": "cabin-bce", "targets": (0.5,)}, "--targets"),
        ({"preset": "cabin-bce", "alpha": 1.0}, "--alpha"),
        ({"preset": "cabin-bce", "exact": True}, "--exact"),
        ({"exact": False, "smoothness": 1.0}, "--smoothness"),
        ({"targets": (0.2, 0.5), "smoothness": 1.0}, "--smoothness"),
        ({"targets": (0.2, 0.5), "epsilon": 1.0}, "--epsilon"),
        ({"targets": (0.5,), "fom": "punzi"}, "--fom"),
        ({"epsilon": 0.0, "smoothing": "published"}, "--smoothing"),
        ({"epsilon": 0.0, "smoothness": 0.0, "rho": 0.2}, "--rho"),
        ({"learn_weights": True, "windows": True}, "--windows"),
        ({"learn_weights": True, "directions": {"x1": "above"}}, "--direction"),
    ],
)
def test_settings_that_would_do_nothing_are_refused(chosen, word):
    with pytest.raises(UsageError, match=word):
        resolve_settings(CabinSettings, PRESETS, chosen)


def test_a_direction_of_an_unknown_feature_is_refused_with_the_nearest_name(sample):
    with pytest.raises(UsageError, match=r"--direction x11.*x1"):
        fit(sample, directions={"x11": "above"})
