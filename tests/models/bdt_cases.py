"""Small samples that trees are grown on in tests."""

import numpy as np

from cutflow_cli.events.batch import EventSample
from cutflow_cli.models.bdt.prepare import prepare
from cutflow_cli.models.bdt.settings import BdtSettings
from cutflow_cli.models.bdt.watch import Watch
from cutflow_cli.models.protocol import TrainingContext

SKLEARN = {"backend": "sklearn", "trees": 12, "depth": 3}
XGBOOST = {"backend": "xgboost", "trees": 12, "depth": 3, "min_child_weight": 1.0}
BACKENDS = (SKLEARN, XGBOOST)


def sample(events=800, seed=3, weight=None, x=None):
    """Two useful features and a useless one; the second of the useful ones is two-sided."""
    rng = np.random.default_rng(seed)
    label = (np.arange(events) % 2).astype(np.int8)
    drawn = np.stack([rng.normal(label), rng.normal(0, 1 + label), rng.normal(size=events)], axis=1)
    x = drawn.astype(np.float32) if x is None else x
    weight = np.ones(events) if weight is None else np.asarray(weight, dtype=np.float64)
    return EventSample(
        features=("a", "b", "c"),
        x=x,
        dtypes=dict.fromkeys(("a", "b", "c"), str(x.dtype)),
        label=label,
        weight=weight,
        expected=weight,
        process=label.astype(np.int32),
        processes=("background", "signal"),
    )


def settings(**changed):
    return BdtSettings(**{"early_stopping": 0, **changed})


def prepared(options, events=800, seed=3, **more):
    """Events as trees see them, and the settings."""
    chosen = settings(**options)
    return prepare(sample(events, seed, **more), chosen, "training"), chosen


def watch(train, validation=None, patience=0, stop=lambda: None):
    return Watch(train, validation, patience, stop, lambda trees, loss: None)


def grow(train, chosen, follow=None, validation=None, seed=7):
    """Grow an ensemble with either backend."""
    follow = watch(train, validation) if follow is None else follow
    if chosen.backend == "sklearn":
        from cutflow_cli.models.bdt import sklearn_trees

        return sklearn_trees.grow(train, validation, chosen, seed=seed, watch=follow)
    from cutflow_cli.models.bdt import xgboost_trees

    return xgboost_trees.grow(train, validation, chosen, seed=seed, device="cpu", threads=1, watch=follow)


def context(replicas=range(1), **more):
    return TrainingContext(seed=5, replicas=replicas, **more)
