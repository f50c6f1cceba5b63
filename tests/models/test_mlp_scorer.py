"""The score of a finished run."""

import numpy as np
import pytest
from lcf_cases import mock_sample

from cutflow_cli.errors import InputError
from cutflow_cli.models.mlp.model import MultilayerPerceptron
from cutflow_cli.models.mlp.scorer import FILE
from cutflow_cli.models.mlp.settings import MlpSettings
from cutflow_cli.models.protocol import TrainingContext
from cutflow_cli.models.scores import load_scorer

SAMPLE = mock_sample(400)


@pytest.fixture
def scorer(tmp_path):
    settings = MlpSettings(hidden=(8, 4), activation="tanh", epochs=2)
    fitted = MultilayerPerceptron(settings).fit(SAMPLE, TrainingContext(replicas=range(3, 6)))
    fitted.scorer.save(tmp_path)
    return fitted.scorer


def test_a_loaded_score_is_the_saved_one(scorer, tmp_path):
    loaded = load_scorer("mlp", tmp_path, SAMPLE.features, 3)
    assert (loaded.names, loaded.features) == (("score",), SAMPLE.features)
    found = loaded.scores(SAMPLE.x)["score"]
    assert (found.shape, found.dtype) == ((3, 400), np.float32)
    np.testing.assert_array_equal(found, scorer.scores(SAMPLE.x)["score"])


def test_the_networks_of_another_run_are_refused(scorer, tmp_path):
    with pytest.raises(InputError, match="holds 3 networks of 4 features, the run has 5 of 4; train again"):
        load_scorer("mlp", tmp_path, SAMPLE.features, 5)
    with pytest.raises(InputError, match="the run has 3 of 2"):
        load_scorer("mlp", tmp_path, SAMPLE.features[:2], 3)
    (tmp_path / FILE).unlink()
    with pytest.raises(InputError, match="no such file; the run is incomplete"):
        load_scorer("mlp", tmp_path, SAMPLE.features, 3)
