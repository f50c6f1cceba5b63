"""The method as a whole: replicas, thresholds, importances, stopping and going on."""

from dataclasses import replace

import numpy as np
import pytest
from bdt_cases import BACKENDS, XGBOOST, context, sample, settings

from cutflow_cli.errors import InputError, Interrupted, UsageError
from cutflow_cli.models.bdt.model import BoostedTrees
from cutflow_cli.models.thresholds import threshold_flows

EACH = pytest.mark.parametrize("options", BACKENDS, ids=("sklearn", "xgboost"))
X = sample(300, seed=8).x


def fit(options, replicas=range(1), events=None, **more):
    return BoostedTrees(settings(**options)).fit(sample() if events is None else events, context(replicas, **more))


def scores(fitted, x=X):
    return fitted.scorer.scores(x)["score"]


@EACH
def test_each_replica_has_its_threshold_and_the_consensus_one_on_the_mean(options):
    validation = sample(600, seed=4)
    fitted = fit(options, range(3), validation=validation)
    assert [(flow.kind, flow.replica) for flow in fitted.flows] == [
        ("replica", 0), ("replica", 1), ("replica", 2), ("consensus", -1)
    ]  # fmt: skip
    assert all(flow.observables == ("score",) for flow in fitted.flows)
    expected, _ = threshold_flows(fitted.scorer, sample(), context(range(3), validation=validation), "asimov", 10.0)
    assert fitted.flows == expected
    assert fitted.resolved["bootstrap"] is True


@EACH
def test_a_block_of_replicas_is_that_part_of_a_longer_run(options):
    whole, block = fit(options, range(4)), fit(options, range(2, 4))
    assert np.array_equal(scores(whole)[2:], scores(block))
    assert not np.array_equal(*scores(block))
    assert [flow.replica for flow in block.flows] == [2, 3, -1]
    assert np.unique(block.history["replica"]).tolist() == [2, 3]


def test_replicas_differ_by_subsamples_alone_if_wanted():
    fitted = fit({**XGBOOST, "subsample": 0.5, "bootstrap": False}, range(2))
    assert not np.array_equal(*scores(fitted))
    with pytest.raises(UsageError, match="all replicas would be the same"):
        fit({**XGBOOST, "bootstrap": False}, range(2))


@EACH
def test_the_history_has_a_row_for_each_replica_and_tree(options):
    fitted = fit(options, range(2), validation=sample(400, seed=4))
    assert list(fitted.history) == ["replica", "epoch", "loss", "validation_loss"]
    assert fitted.history["epoch"].tolist() == [*range(1, 13)] * 2
    assert fitted.history["replica"].tolist() == [0] * 12 + [1] * 12
    assert "validation_loss" not in fit(options).history


@EACH
def test_importances_are_shares_of_the_gain(options):
    table = fit(options, range(3)).tables["importances"]
    assert table["replica"].tolist() == [0] * 3 + [1] * 3 + [2] * 3 + [-1] * 3
    assert table["feature"] == ["a", "b", "c"] * 4
    shares = np.reshape(table["importance"], (4, 3))
    assert shares.sum(axis=1) == pytest.approx(np.ones(4))
    assert (shares[:, 2] < shares[:, :2].min(axis=1)).all()  # `c` tells nothing
    assert shares[3] == pytest.approx(shares[:3].mean(axis=0))
    low, high = np.quantile(shares[:3], [0.16, 0.84], axis=0, method="median_unbiased")
    assert table["error"][-3:] == pytest.approx((high - low) / 2)
    assert table["error"][:9] == [None] * 9
    assert fit(options).tables["importances"]["error"] == [None] * 6


@EACH
def test_stopped_between_replicas_it_goes_on_to_the_same_result(options, tmp_path):
    checkpoint = tmp_path / "checkpoint.npz"
    told = iter([None] * 17)
    with pytest.raises(Interrupted, match="stopped by SIGTERM after tree 6 of replica 1; the same command goes on"):
        fit(options, range(3), checkpoint=checkpoint, stop_reason=lambda: next(told, "SIGTERM"))
    grown = []
    resumed = fit(options, range(3), checkpoint=checkpoint, progress=lambda done, text: grown.append(done))
    whole = fit(options, range(3))
    assert len(grown) == 24  # the first replica was not grown again
    assert grown[0] == pytest.approx((1 + 1 / 12) / 3)
    assert np.array_equal(scores(resumed), scores(whole))
    assert resumed.flows == whole.flows
    assert np.array_equal(resumed.history["loss"], whole.history["loss"])


def test_stopped_in_the_first_replica_there_is_a_checkpoint_all_the_same(tmp_path):
    checkpoint = tmp_path / "checkpoint.npz"
    with pytest.raises(Interrupted):
        fit(XGBOOST, checkpoint=checkpoint, stop_reason=lambda: "SIGINT")
    assert np.array_equal(scores(fit(XGBOOST, checkpoint=checkpoint)), scores(fit(XGBOOST)))


def test_another_trainings_checkpoint_is_refused(tmp_path):
    checkpoint = tmp_path / "checkpoint.npz"
    np.savez(checkpoint, **{"replica/0/loss": np.zeros(3)})
    with pytest.raises(InputError, match=r"checkpoint\.npz: this checkpoint belongs to another training .* --fresh"):
        fit(XGBOOST, checkpoint=checkpoint)


@EACH
def test_early_stopping_is_on_where_there_is_a_validation_split(options):
    asked = {**options, "trees": 400, "learning_rate": 0.5, "early_stopping": None}
    fitted = fit(asked, validation=sample(400, seed=4))
    (kept,) = fitted.resolved["kept_trees"]
    assert fitted.resolved["early_stopping"] == 20
    assert len(fitted.history["loss"]) == kept + 20 < 400
    assert not any("still falling" in text for text in fitted.warnings)
    short = fit({**asked, "trees": 5, "learning_rate": 0.05}, validation=sample(400, seed=4))
    assert any("the validation loss of 1 of 1 replicas was still falling after 5 trees" in t for t in short.warnings)


def test_missing_values_are_counted_and_their_fate_is_told():
    events = sample()
    events.x[:9, 1] = np.nan
    said = {one["backend"]: fit(one, events=events).warnings[0] for one in BACKENDS}
    assert said["sklearn"].startswith("9 of 800 events of the training split lack a feature; they were left out")
    assert said["xgboost"].startswith("9 of 800 events of the training split lack a feature; trees learn which way")


def test_negative_weights_that_were_kept_are_counted():
    weight = np.where(np.arange(800) < 100, -0.5, 1.0)
    text = "100 of 800 events of the training split have negative weights, which were kept (--negative-weights)"
    assert text in fit(XGBOOST, events=sample(weight=weight)).warnings
    assert text not in fit({**XGBOOST, "negative_weights": "drop"}, events=sample(weight=weight)).warnings


@EACH
def test_a_fixed_threshold_is_taken_as_it_is(options):
    fitted = fit({**options, "fixed_threshold": 0.25}, range(2))
    assert [flow.steps[0].cut.lower for flow in fitted.flows] == [0.25] * 3
    assert fitted.warnings == ()


@EACH
def test_without_validation_the_threshold_is_chosen_on_train_and_that_is_said(options):
    assert any("there is no validation split, so the threshold" in text for text in fit(options).warnings)


def test_without_validation_nothing_stops_the_trees_and_that_is_said():
    text = "there is no validation split, so all 12 trees were kept (--trees)"
    assert text in fit({**XGBOOST, "early_stopping": None}).warnings
    assert text not in fit(XGBOOST).warnings  # which asks for it


def test_physical_yields_do_not_change_what_is_learned():
    """Balanced class weights: cross section and luminosity rescale a class as a whole, which no tree sees."""
    scaled = sample(weight=np.where(np.arange(800) % 2, 1e-3, 2e5))
    options = {**XGBOOST, "fom": "s_over_sqrt_s_plus_b"}
    plain, other = (fit(options, events=events) for events in (sample(), scaled))
    assert np.allclose(scores(plain), scores(other), rtol=1e-5)
    assert plain.flows != other.flows  # but the threshold is chosen by physical yields


def test_the_golden_numbers_hold_for_scikit_learn_itself():
    """On a small mock1: the preset is the library's classifier with its own defaults, cut at 0.5."""
    from sklearn.ensemble import GradientBoostingClassifier

    from cutflow_cli.models.bdt.settings import PRESETS, BdtSettings

    rng = np.random.default_rng(42)
    label = (np.arange(3000) % 2).astype(np.int8)
    sides = np.where(rng.random((2, 3000)) < 0.5, -5.0, 5.0)
    means = [np.where(label, -2, 2), np.where(label, 2, -2), np.where(label, 0, sides[0]), np.where(label, sides[1], 0)]
    x = rng.normal(np.stack(means, axis=1), 2.0).astype(np.float32)
    template = sample(3000)
    names = ("x1", "x2", "x3", "x4")
    events = replace(template, features=names, x=x, dtypes=dict.fromkeys(names, "float32"), label=label)
    train, test = events.take(np.arange(3000) < 1500), events.take(np.arange(3000) >= 1500)
    fitted = BoostedTrees(BdtSettings(preset="lcf", **PRESETS["lcf"])).fit(train, context())
    theirs = GradientBoostingClassifier(random_state=0).fit(train.x, train.label).predict(test.x)
    (cut,) = fitted.flows[-1].steps
    ours = scores(fitted, test.x)[0] > cut.cut.lower
    assert cut.cut.lower == 0.5
    assert np.count_nonzero(ours != (theirs == 1)) <= 3  # splits that are equally good are chosen at random
    assert np.mean(ours == (test.label == 1)) > 0.95
