"""Trees on disk: the same scores again, and no more than that."""

import json
import pickle

import numpy as np
import pytest
import safetensors.numpy
from bdt_cases import BACKENDS, SKLEARN, grow, prepared, sample

from cutflow_cli.errors import InputError
from cutflow_cli.models.bdt.scorer import FILE, BdtScorer, load_scorer
from cutflow_cli.models.bdt.sklearn_trees import SklearnTrees
from cutflow_cli.models.scores import load_scorer as load_any

FEATURES = ("a", "b", "c")
X = sample(400, seed=8).x


@pytest.fixture(params=BACKENDS, ids=("sklearn", "xgboost"))
def saved(request, tmp_path):
    """Two replicas, and the directory that they were saved in."""
    train, chosen = prepared({**request.param, "subsample": 0.8})
    members = [grow(train, chosen, seed=seed) for seed in (1, 2)]
    scorer = BdtScorer(FEATURES, chosen.backend, members, (5, 6))
    scorer.save(tmp_path)
    return scorer, tmp_path


def files(directory):
    return sorted(path for path in directory.iterdir() if path.name != FILE)


def test_what_is_read_gives_the_same_scores_bit_for_bit(saved):
    scorer, directory = saved
    read = load_any("bdt", directory, FEATURES, 2)
    assert read.names == ("score",)
    assert np.array_equal(read.scores(X)["score"], scorer.scores(X)["score"])
    assert read.scores(X)["score"].shape == (2, 400)
    assert read.scores(X)["score"].dtype == np.float32
    assert not np.array_equal(*read.scores(X)["score"])
    assert read.scores(X[:0])["score"].shape == (2, 0)
    assert [path.stem for path in files(directory)] == ["replica-5", "replica-6"]


def test_features_of_double_precision_are_rounded_as_in_training(saved):
    scorer, _ = saved
    assert np.array_equal(scorer.scores(X.astype(np.float64))["score"], scorer.scores(X)["score"])


def test_saving_again_writes_the_same_files(saved, tmp_path_factory):
    _, directory = saved
    other = tmp_path_factory.mktemp("again")
    load_scorer(directory, FEATURES, 2).save(other)
    for path in (*files(directory), directory / FILE):
        assert (other / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("spoil", [lambda b: b[:-9], lambda b: b"", lambda b: b[:200] + b"\x7f" + b[201:]])
def test_a_damaged_file_is_refused_by_name(saved, spoil):
    _, directory = saved
    path = files(directory)[1]
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(InputError, match=f"{path.name}: damaged.*train again") as refused:
        load_scorer(directory, FEATURES, 2)
    assert "\n" not in str(refused.value)


def test_a_missing_file_is_refused_by_name(saved):
    _, directory = saved
    files(directory)[0].unlink()
    with pytest.raises(InputError, match=r"replica-5\.\w+: no such file; the run is incomplete, train again"):
        load_scorer(directory, FEATURES, 2)


class Bomb:
    """Unpickled, it would leave a file behind."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def relisted(directory, content, name=None):
    """Put other content in place of the first replica, digest and all."""
    import hashlib

    listed = json.loads((directory / FILE).read_text())
    path = directory / (name or listed["files"][0]["name"])
    path.write_bytes(content)
    listed["files"][0] |= {"name": str(name or path.name), "sha256": hashlib.sha256(content).hexdigest()}
    (directory / FILE).write_text(json.dumps(listed))
    return path


def test_nothing_in_a_file_is_executed(saved, tmp_path_factory):
    _, directory = saved
    trace = tmp_path_factory.mktemp("trace") / "executed"
    path = relisted(directory, pickle.dumps(Bomb(trace)))
    with pytest.raises(InputError, match=f"{path.name}: damaged"):
        load_scorer(directory, FEATURES, 2)
    assert not trace.exists()


def test_files_outside_the_run_are_not_read(saved, tmp_path_factory):
    _, directory = saved
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "replica-5.ubj"
    relisted(directory, files(directory)[0].read_bytes(), str(elsewhere))
    with pytest.raises(InputError, match=r"trees\.json: lists .* which is not in the run"):
        load_scorer(directory, FEATURES, 2)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"backend": "xgboost", "files": [{"name": "x"}]}', "\x00"])
def test_a_damaged_list_is_refused(saved, text):
    _, directory = saved
    (directory / FILE).write_text(text)
    with pytest.raises(InputError, match=r"trees\.json: damaged"):
        load_scorer(directory, FEATURES, 2)


def test_another_runs_trees_are_refused(saved):
    _, directory = saved
    with pytest.raises(InputError, match="lists 2 ensembles of 3 features, the run has 3 of 3; train again"):
        load_scorer(directory, FEATURES, 3)
    with pytest.raises(InputError, match="lists 2 ensembles of 3 features, the run has 2 of 2; train again"):
        load_scorer(directory, ("a", "b"), 2)


def circle(arrays):
    arrays["left"][1] = 0


def beyond(arrays):
    arrays["right"][0] = 10_000


def wrong_feature(arrays):
    arrays["feature"][0] = 3


def no_number(arrays):
    arrays["value"][-1] = np.nan


def no_roots(arrays):
    arrays["root"] = arrays["root"][:0]


def half_a_leaf(arrays):
    arrays["right"][np.flatnonzero(arrays["left"] < 0)[0]] = 5


def wrong_kind(arrays):
    arrays["threshold"] = arrays["threshold"].astype(np.float32)


def absent(arrays):
    del arrays["prior"]


@pytest.mark.parametrize("spoil", [circle, beyond, wrong_feature, no_number, no_roots, half_a_leaf, wrong_kind, absent])
def test_nodes_that_lead_nowhere_are_refused(spoil):
    """Otherwise a walk would never end, or leave the arrays."""
    train, chosen = prepared(SKLEARN)
    arrays = {name: array.copy() for name, array in safetensors.numpy.load(grow(train, chosen).to_bytes()).items()}
    spoil(arrays)
    with pytest.raises(ValueError, match=r"its nodes are no trees|no array"):
        SklearnTrees(safetensors.numpy.save(arrays))
