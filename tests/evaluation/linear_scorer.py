"""A method that gives scores, as small as can be: the logistic function of a weighted sum of the features."""

from __future__ import annotations

import json

import numpy as np

FILE = "weights.json"


class LinearScorer:
    """Replica r scores with row r of `weights[name]`, shape (replicas, features)."""

    def __init__(self, features, weights):
        self.features = features
        self.names = tuple(weights)
        self.weights = {name: np.array(rows) for name, rows in weights.items()}
        self.calls = 0

    def scores(self, x):
        self.calls += 1
        return {
            name: (1 / (1 + np.exp(-rows @ x.T.astype(np.float64)))).astype(np.float32)
            for name, rows in self.weights.items()
        }

    def save(self, directory):
        rows = {name: values.tolist() for name, values in self.weights.items()}
        (directory / FILE).write_text(json.dumps(rows))


def load_scorer(directory, features, replicas):
    scorer = LinearScorer(features, json.loads((directory / FILE).read_text()))
    assert all(len(rows) == replicas for rows in scorer.weights.values())
    return scorer
