"""The ensembles of both libraries: against the libraries themselves, and laws that hold for either."""

import numpy as np
import pytest
import xgboost
from bdt_cases import BACKENDS, SKLEARN, XGBOOST, grow, prepared, sample, watch
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.metrics import log_loss as reference_loss
from sklearn.metrics import roc_auc_score

from cutflow_cli.errors import Interrupted
from cutflow_cli.models.bdt.prepare import Prepared
from cutflow_cli.models.bdt.sklearn_trees import logistic

EACH = pytest.mark.parametrize("options", BACKENDS, ids=("sklearn", "xgboost"))
OTHER = sample(500, seed=8).x
UNEVEN = np.random.default_rng(2).uniform(0.1, 3.0, 800)


def reweighted(events, weight):
    return Prepared(events.x, events.label, weight, events.incomplete, events.total)


@pytest.mark.parametrize("subsample", [1.0, 0.5])
@pytest.mark.parametrize("depth", [1, 4])
def test_scores_are_those_of_scikit_learn(subsample, depth):
    train, chosen = prepared({**SKLEARN, "depth": depth, "subsample": subsample}, weight=UNEVEN)
    trees = grow(train, chosen)
    theirs = GradientBoostingClassifier(n_estimators=12, max_depth=depth, subsample=subsample, random_state=7)
    theirs.fit(train.x, train.label, sample_weight=train.weight)
    assert np.array_equal(trees.margin(OTHER), theirs.decision_function(OTHER))
    assert np.allclose(trees.score(OTHER), theirs.predict_proba(OTHER)[:, 1], rtol=2e-7, atol=0)
    assert np.allclose(trees.gain() / trees.gain().sum(), theirs.feature_importances_, rtol=1e-6)


@pytest.mark.parametrize("subsample", [1.0, 0.5])
def test_scores_are_those_of_xgboost(subsample):
    train, chosen = prepared({**XGBOOST, "learning_rate": 0.3, "subsample": subsample}, weight=UNEVEN)
    trees = grow(train, chosen)
    theirs = xgboost.XGBClassifier(n_estimators=12, max_depth=3, subsample=subsample, random_state=7, n_jobs=1)
    theirs.fit(train.x, train.label.astype(int), sample_weight=train.weight.astype(np.float32))
    assert np.allclose(trees.score(OTHER), theirs.predict_proba(OTHER)[:, 1], rtol=1e-6, atol=0)
    gain = theirs.get_booster().get_score(importance_type="total_gain")
    assert trees.gain() == pytest.approx([gain["f0"], gain["f1"], gain["f2"]], rel=1e-4)


@EACH
def test_losses_are_those_of_the_scores(options):
    train, chosen = prepared(options, weight=UNEVEN)
    validation, _ = prepared(options, events=300, seed=11)
    follow = watch(train, validation)
    trees = grow(train, chosen, follow, validation)
    assert len(follow.loss) == len(follow.validation_loss) == 12
    assert follow.loss[0] > follow.loss[-1]
    for events, loss in ((train, follow.loss), (validation, follow.validation_loss)):
        score = trees.score(events.x).astype(np.float64)
        assert loss[-1] == pytest.approx(reference_loss(events.label, score, sample_weight=events.weight), rel=1e-5)


@EACH
def test_the_same_again_bit_for_bit(options):
    train, chosen = prepared({**options, "subsample": 0.7})
    first, again, other = (grow(train, chosen, seed=seed) for seed in (1, 1, 2))
    assert first.to_bytes() == again.to_bytes()
    assert first.to_bytes() != other.to_bytes()


@EACH
def test_doubling_an_event_is_weight_two(options):
    # few values, so that the bins of a histogram do not depend on how often each comes
    grid = np.round(sample().x * 4) / 4
    train, chosen = prepared(options, x=grid)
    counts = np.random.default_rng(5).integers(1, 4, 800)
    weighted = reweighted(train, counts.astype(np.float64))
    repeated = Prepared(
        np.repeat(train.x, counts, axis=0), np.repeat(train.label, counts), np.ones(counts.sum()), 0, counts.sum()
    )
    follow, also = watch(weighted), watch(repeated)
    first, second = grow(weighted, chosen, follow), grow(repeated, chosen, also)
    assert np.allclose(first.score(OTHER), second.score(OTHER), rtol=1e-5)
    assert np.allclose(follow.loss, also.loss, rtol=1e-6)
    plain = grow(reweighted(train, np.ones(800)), chosen)
    assert not np.allclose(first.score(OTHER), plain.score(OTHER), rtol=1e-3)


def test_negative_weights_take_events_away():
    """Events and their negative copies cancel: what is learned is what the others alone teach."""
    wanted, chosen = prepared({**XGBOOST, "trees": 30})
    rng = np.random.default_rng(9)
    extra = rng.normal(3.0, 0.5, (300, 3)).astype(np.float32)
    label = np.zeros(300, dtype=np.float32)
    with_both = Prepared(
        np.concatenate([wanted.x, extra, extra]),
        np.concatenate([wanted.label, label, label]),
        np.concatenate([wanted.weight, np.full(300, 1.0), np.full(300, -1.0)]),
        0,
        1400,
    )
    ignored = reweighted(with_both, np.abs(with_both.weight))
    alone, cancelled, spoilt = (grow(events, chosen).score(OTHER) for events in (wanted, with_both, ignored))
    assert np.abs(cancelled - alone).mean() < 0.02  # bins of the histograms differ
    assert np.abs(spoilt - alone).mean() > 0.03


def test_signed_gradients_are_those_of_xgboost_itself():
    """One tiny negative weight switches to our own gradients; nothing else may change."""
    train, chosen = prepared({**XGBOOST, "trees": 20}, x=np.round(sample().x * 4) / 4)
    weight = np.ones(800)
    weight[0] = -1e-9
    ours, theirs = grow(reweighted(train, weight), chosen), grow(reweighted(train, np.abs(weight)), chosen)
    assert np.allclose(ours.score(OTHER), theirs.score(OTHER), rtol=1e-4)


def test_xgboost_learns_where_missing_values_go_and_scikit_learn_gives_no_score():
    events = sample()
    missing = (events.label == 1) & (np.arange(800) % 4 == 1)
    events.x[missing, 0] = np.nan
    train, chosen = prepared({**XGBOOST, "trees": 30}, x=events.x)
    unknown = np.array([[np.nan, 0.0, 0.0], [np.inf, 0.0, 0.0], [0.5, 0.0, 0.0]], dtype=np.float32)
    score = grow(train, chosen).score(unknown)
    assert score[0] == score[1] > 0.9 > score[2]
    complete, chosen = prepared(SKLEARN, x=events.x)
    score = grow(complete, chosen).score(unknown)
    assert np.isnan(score[:2]).all()
    assert 0 < score[2] < 1


@EACH
def test_early_stopping_keeps_the_trees_up_to_the_best(options):
    many = {**options, "trees": 300, "learning_rate": 0.5}
    train, chosen = prepared(many)
    validation, _ = prepared(many, events=400, seed=11)
    follow = watch(train, validation, patience=6)
    trees = grow(train, chosen, follow, validation)
    best = int(np.argmin(follow.validation_loss)) + 1
    assert follow.best == best
    assert len(follow.loss) == best + 6 < 300
    shorter, _ = prepared(many)
    same = grow(shorter, chosen.model_copy(update={"trees": best}))
    assert np.array_equal(trees.score(OTHER), same.score(OTHER))


@EACH
def test_a_request_to_stop_is_heard_after_the_next_tree(options):
    train, chosen = prepared(options)
    follow = watch(train, stop=lambda: "SIGTERM")
    with pytest.raises(Interrupted, match="stopped by SIGTERM after tree 1"):
        grow(train, chosen, follow)


@EACH
def test_trees_find_what_cuts_on_one_side_miss(options):
    train, chosen = prepared({**options, "trees": 60})
    held_out = sample(4000, seed=21)
    area = roc_auc_score(held_out.label, grow(train, chosen).score(held_out.x))
    # of a Gaussian of mean 1 against 0 and widths 2 against 1, by the likelihood ratio: 0.829 (numerical integration)
    assert 0.78 < area < 0.84


def test_the_logistic_function_does_not_overflow():
    assert logistic(np.array([-1e5, -1.0, 0.0, 1.0, 1e5])) == pytest.approx([0, 0.2689414214, 0.5, 0.7310585786, 1])
