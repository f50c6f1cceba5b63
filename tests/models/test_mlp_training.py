"""Training of the multilayer perceptron: losses, weights, replicas, stopping and going on."""

import numpy as np
import pytest
import torch
from lcf_cases import make_sample, mock_sample

from cutflow_cli.errors import InputError, Interrupted, UsageError
from cutflow_cli.models.mlp.groups import Groups
from cutflow_cli.models.mlp.model import MultilayerPerceptron
from cutflow_cli.models.mlp.prepare import prepare
from cutflow_cli.models.mlp.settings import PRESETS, MlpSettings
from cutflow_cli.models.protocol import TrainingContext

SAMPLE = mock_sample(1200)
VALIDATION = mock_sample(600, seed=1)


def fit(sample=SAMPLE, replicas=range(2), validation=None, threads=1, checkpoint=None, stop=None, **chosen):
    options = {"hidden": (8,), "epochs": 4, "batch_size": 100, **chosen}
    context = TrainingContext(
        replicas=replicas, validation=validation, threads=threads, checkpoint=checkpoint,
        stop_reason=stop or (lambda: None),
    )  # fmt: skip
    return MultilayerPerceptron(MlpSettings(**options)).fit(sample, context)


def scores(fitted, x=VALIDATION.x):
    return fitted.scorer.scores(x)["score"]


def test_the_score_tells_signal_from_background():
    fitted = fit(epochs=30)
    accuracy = ((scores(fitted) > 0.5) == (VALIDATION.label == 1)).mean(axis=1)
    assert (accuracy > 0.95).all()  # the paper's BDT has 0.977 on such data
    loss = fitted.history["loss"].reshape(30, 2)
    assert (loss[-1] < 0.5 * loss[0]).all()


def test_the_loss_of_the_first_step_by_hand():
    sample = mock_sample(50)
    weighted = make_sample(sample.x, sample.label, weight=np.linspace(0.5, 2.0, 50))
    fitted = fit(weighted, epochs=1, batch_size="all", class_weights="physical")
    drawn = MultilayerPerceptron(MlpSettings(hidden=(8,)))._networks(
        prepare(weighted, "physical", "keep", "training"), TrainingContext(replicas=range(2))
    )
    p = drawn.scores(weighted.x).astype(np.float64)
    entropy = -np.where(weighted.label == 1, np.log(p), np.log(1 - p))
    expected = (entropy * weighted.weight / weighted.weight.mean()).mean(axis=1)
    np.testing.assert_allclose(fitted.history["loss"], expected, rtol=1e-5)


@pytest.mark.parametrize("optimiser", ["sgd", "adam", "rmsprop"])
def test_an_event_of_weight_two_is_an_event_twice(optimiser):
    half = mock_sample(200)
    rows = np.concatenate([np.arange(200), np.arange(0, 200, 3)])
    weight = np.ones(200)
    weight[::3] = 2.0
    options = {
        "batch_size": "all", "unit": "none", "class_weights": "physical", "optimiser": optimiser, "epochs": 10,
        "halve_after": 0,
    }  # fmt: skip
    twice = fit(half.take(rows), **options)
    heavy = fit(make_sample(half.x, half.label, weight=weight, features=half.features), **options)
    np.testing.assert_allclose(scores(twice), scores(heavy), atol=2e-4)
    plain = fit(half, **options)
    assert np.abs(scores(plain) - scores(heavy)).max() > 1e-3


def test_balanced_classes_do_not_depend_on_how_many_events_were_simulated():
    rare = SAMPLE.take(np.flatnonzero((SAMPLE.label == 0) | (np.arange(1200) % 10 == 1)))
    assert 0.4 < scores(fit(rare, epochs=30)).mean() < 0.6
    assert scores(fit(rare, epochs=30, class_weights="unit")).mean() < 0.45


@pytest.mark.parametrize("options", [{}, {"bootstrap": True}, {"activation": "tanh", "hidden": (8, 4)}], ids=str)
def test_a_replica_is_the_same_in_any_company(options):
    together = scores(fit(replicas=range(5), **options))
    np.testing.assert_allclose(scores(fit(replicas=range(3, 5), **options)), together[3:], atol=1e-5)
    np.testing.assert_allclose(scores(fit(replicas=range(2, 3), **options)), together[2:3], atol=1e-5)
    np.testing.assert_allclose(scores(fit(replicas=range(5), threads=2, **options)), together, atol=1e-5)
    assert np.abs(together[0] - together[1]).max() > 1e-3


def test_replicas_differ_by_bootstrap_and_shuffle():
    same_start = {"hidden": (), "initial": "glorot", "batch_size": "all"}
    plain, drawn = (scores(fit(bootstrap=flag, epochs=50, **same_start)) for flag in (False, True))
    assert np.abs(plain - drawn).max() > 1e-3


def test_the_same_seed_gives_the_same_numbers():
    np.testing.assert_array_equal(scores(fit()), scores(fit()))


@pytest.mark.parametrize("options", [{}, {"optimiser": "rmsprop"}, {"preset": "cabin", "epochs": 6}], ids=str)
@pytest.mark.parametrize("validation", [None, VALIDATION], ids=["train alone", "with validation"])
def test_going_on_after_a_stop_is_as_if_there_had_been_none(tmp_path, options, validation):
    options = {"epochs": 6, "halve_after": 1, **PRESETS.get(options.get("preset"), {}), **options}
    whole = fit(validation=validation, replicas=range(3), **options)
    checkpoint = tmp_path / "checkpoint.npz"
    asked = iter(["", "", "SIGTERM"])
    with pytest.raises(Interrupted, match="after epoch 3 of 6"):
        fit(validation=validation, replicas=range(3), checkpoint=checkpoint, stop=lambda: next(asked), **options)
    resumed = fit(validation=validation, replicas=range(3), checkpoint=checkpoint, threads=2, **options)
    np.testing.assert_array_equal(scores(resumed), scores(whole))
    for name, values in whole.history.items():
        np.testing.assert_array_equal(resumed.history[name], values, err_msg=name)
    assert resumed.flows == whole.flows


OVERTRAINING = {"hidden": (32, 32), "epochs": 60, "learning_rate": 0.02, "batch_size": 20, "halve_after": 0}


def test_early_stopping_takes_each_replicas_best_epoch():
    small = mock_sample(120, kinds="weak weak weak")
    judged = mock_sample(400, seed=5, kinds="weak weak weak")
    fitted = fit(small, range(3), judged, early_stopping=4, **OVERTRAINING)
    best = fitted.resolved["best_epochs"]
    history = fitted.history
    data = prepare(judged, "balanced", "keep", "validation")
    p = scores(fitted, judged.x).astype(np.float64)
    entropy = (-np.where(judged.label == 1, np.log(p), np.log(1 - p)) * data.weight).mean(axis=1)
    for replica in range(3):
        own = history["validation_loss"][history["replica"] == replica]
        assert len(own) == best[replica] + 4 < 60
        assert own.argmin() == best[replica] - 1
        assert entropy[replica] == pytest.approx(own.min(), rel=1e-4)
    alone = fit(small, range(1, 2), judged, early_stopping=4, **OVERTRAINING)
    assert alone.resolved["best_epochs"] == best[1:2]
    np.testing.assert_allclose(scores(alone, judged.x), scores(fitted, judged.x)[1:2], atol=1e-4)
    never = fit(small, range(3), judged, early_stopping=0, **OVERTRAINING)
    assert len(never.history["epoch"]) == 180
    assert never.history["validation_loss"][-3:].min() > max(history["validation_loss"].min(), entropy.max())


def test_early_stopping_needs_a_validation_split_if_asked_for():
    with pytest.raises(
        UsageError, match=r"--early-stopping 5: there is no validation split to watch; give 0, or .*--spl"
    ):
        fit(early_stopping=5)
    assert fit().resolved["early_stopping"] == 0
    assert fit(validation=VALIDATION).resolved["early_stopping"] == 10


def test_a_training_that_was_cut_short_says_so():
    warned = fit(validation=VALIDATION, epochs=3, learning_rate=1e-3).warnings
    assert any("2 of 2 replicas was still falling after 3 epochs; more of them (--epochs)" in text for text in warned)


def test_events_with_missing_features_are_left_out_and_have_no_score():
    x = SAMPLE.x.copy()
    x[5, 0], x[8, 2] = np.nan, np.inf
    holed = make_sample(x, SAMPLE.label, features=SAMPLE.features)
    fitted = fit(holed)
    assert any(text.startswith("2 of 1200 events of the training split lack a feature") for text in fitted.warnings)
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(scores(fitted, x)).any(axis=0)), [5, 8])
    kept = np.setdiff1d(np.arange(1200), [5, 8])
    np.testing.assert_array_equal(scores(fitted), scores(fit(SAMPLE.take(kept))))


def test_a_class_without_a_complete_event_is_refused():
    x = SAMPLE.x.copy()
    x[SAMPLE.label == 1, 1] = np.nan
    with pytest.raises(InputError, match=r"every signal event of the training split lacks a feature.*--features"):
        fit(make_sample(x, SAMPLE.label))


def test_thresholds_are_chosen_on_validation_for_each_replica_and_for_their_mean():
    fitted = fit(validation=VALIDATION, fom="balanced_accuracy", epochs=10)
    assert [(flow.kind, flow.replica) for flow in fitted.flows] == [("replica", 0), ("replica", 1), ("consensus", -1)]
    own = scores(fitted)
    for values, flow in zip([*own, own.mean(axis=0)], fitted.flows, strict=True):
        (cut,) = flow.cuts
        assert (cut.observable, cut.region) == ("score", "above")
        tried = np.unique(values)
        signal = VALIDATION.label == 1

        def balanced(threshold, values=values, signal=signal):
            return ((values > threshold)[signal].mean() + (values <= threshold)[~signal].mean()) / 2

        assert balanced(cut.lower) == pytest.approx(max(balanced(value) for value in tried))


def test_a_preset_with_a_published_threshold_takes_it():
    fitted = fit(**{**PRESETS["lcf"], "epochs": 1})
    assert [flow.cuts[0].lower for flow in fitted.flows] == [0.5, 0.5, 0.5]
    assert fitted.warnings == ()


def test_the_simple_network_of_cabin_is_a_logistic_regression_through_the_origin():
    fitted = fit(**{**PRESETS["cabin"], "epochs": 400, "learning_rate": 5.0})
    x = (SAMPLE.x - SAMPLE.x.mean(axis=0)) / SAMPLE.x.std(axis=0)
    weight = np.zeros(x.shape[1])
    for _ in range(30):  # Newton's method on Σ BCE
        p = 1 / (1 + np.exp(-x @ weight))
        weight += np.linalg.solve((x * (p * (1 - p))[:, None]).T @ x, x.T @ (SAMPLE.label - p))
    expected = 1 / (1 + np.exp(-x @ weight))
    np.testing.assert_allclose(scores(fitted, SAMPLE.x), [expected, expected], atol=2e-3)


def test_large_batches_are_summed_in_blocks(monkeypatch):
    options = {"batch_size": "all", "epochs": 5}
    whole = fit(**options)
    monkeypatch.setattr("cutflow_cli.engine.network._LAYER_SIZE", 8 * 100)
    in_blocks = fit(**options)
    np.testing.assert_allclose(in_blocks.history["loss"], whole.history["loss"], rtol=1e-5)
    np.testing.assert_allclose(scores(in_blocks), scores(whole), atol=1e-4)


def test_a_large_step_may_use_several_threads(monkeypatch):
    given = []
    monkeypatch.setattr(torch, "set_num_threads", given.append)
    monkeypatch.setattr("cutflow_cli.models.mlp.groups._LARGE_STEP", 1000)
    data = prepare(SAMPLE, "unit", "keep", "training")
    for replicas, batch in ((range(1), "all"), (range(1), 100), (range(2), "all"), (range(9), "all")):
        settings = MlpSettings(hidden=(8,), batch_size=batch)
        context = TrainingContext(replicas=replicas, threads=4)
        Groups(MultilayerPerceptron(settings)._networks(data, context), data, None, settings, 0, context)
    assert given == [4, 1, 2, 1]
