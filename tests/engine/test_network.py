"""Stacked networks against torch.nn, finite differences, and themselves in other company."""

import numpy as np
import pytest
import torch
from torch import nn

from cutflow_cli.engine.network import Architecture, Networks, load_networks
from cutflow_cli.engine.optimisers import Adam
from cutflow_cli.engine.scaling import Scaling
from cutflow_cli.errors import InputError

X = np.random.default_rng(3).normal(1.0, 2.0, (200, 3))
LABEL = (X[:, 0] * X[:, 1] > X[:, 2]).astype(np.float32)
SCALING = Scaling.measure(X, "moments")

ARCHITECTURES = [
    Architecture(3, ()),
    Architecture(3, (), bias=False, initial="torch"),
    Architecture(3, (8, 4), "tanh"),
    Architecture(3, (16, 32, 16), "relu", initial="torch"),
    Architecture(3, (8,), outputs=2),
]


def drawn(architecture, replicas=range(3), **options):
    return Networks.drawn(architecture, SCALING, 7, replicas, **options)


def as_torch(networks, row):
    """The same network of one replica out of torch's own layers, with the weights copied."""
    shape = networks.architecture
    names = list(shape.shapes)
    cuts = np.cumsum([np.prod(shape.shapes[name]) for name in names])[:-1]
    parts = dict(zip(names, np.split(networks.values[row].detach().numpy(), cuts), strict=True))
    layers = []
    for position, (inputs, outputs) in enumerate(shape.layers):
        layer = nn.Linear(inputs, outputs, bias=shape.bias)
        weight = parts[f"layer{position}.weight"].reshape(inputs, outputs).T
        layer.weight.data = torch.tensor(np.ascontiguousarray(weight))
        if shape.bias:
            layer.bias.data = torch.tensor(parts[f"layer{position}.bias"])
        layers += [layer, nn.ReLU() if shape.activation == "relu" else nn.Tanh()]
    return nn.Sequential(*layers[:-1])


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=str)
def test_scores_are_those_of_torchs_own_layers(architecture):
    networks = drawn(architecture)
    scores = networks.scores(X)
    assert scores.shape == (3, len(X))
    assert scores.dtype == np.float32
    inputs = torch.tensor(SCALING.apply(X))
    for row in range(3):
        out = as_torch(networks, row)(inputs)
        expected = out.softmax(dim=1)[:, 1] if architecture.outputs == 2 else out.sigmoid()[:, 0]
        np.testing.assert_allclose(scores[row], expected.detach().numpy(), atol=1e-6)


def test_inputs_may_be_shared_or_each_replicas_own():
    networks = drawn(Architecture(3, (8,)))
    shared = networks.inputs(X)
    own = shared[torch.tensor(np.stack([np.random.default_rng(r).permutation(len(X)) for r in range(3)]))]
    together = networks.logits(own)
    for row in range(3):
        torch.testing.assert_close(together[row], networks.logits(own[row])[row])
    torch.testing.assert_close(networks.logits(shared.expand(3, -1, -1)), networks.logits(shared))


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=str)
def test_the_gradient_is_that_of_finite_differences(architecture):
    networks = drawn(architecture, dtype=torch.float64)
    inputs, label = networks.inputs(X), torch.tensor(LABEL, dtype=torch.float64)

    def loss():
        logits = networks.logits(inputs)
        return nn.functional.binary_cross_entropy_with_logits(logits, label.expand_as(logits), reduction="none").mean(1)

    gradient = networks.gradient(loss())
    assert gradient.shape == networks.values.shape
    step = 1e-6
    for column in np.random.default_rng(0).choice(architecture.parameters, min(12, architecture.parameters), False):
        before = networks.values[:, column].clone()
        networks.values[:, column] = before + step
        up = loss().detach()
        networks.values[:, column] = before - step
        numeric = (up - loss().detach()) / (2 * step)
        networks.values[:, column] = before
        torch.testing.assert_close(gradient[:, column], numeric, rtol=1e-4, atol=1e-8)


def trained(replicas, epochs=30):
    networks = drawn(Architecture(3, (16, 8)), replicas)
    optimiser = Adam(networks.values, 1e-2)
    inputs, label = networks.inputs(X), torch.tensor(LABEL)
    for _ in range(epochs):
        logits = networks.logits(inputs)
        loss = nn.functional.binary_cross_entropy_with_logits(logits, label.expand_as(logits), reduction="none").mean(1)
        optimiser.step(networks.gradient(loss))
    return networks.scores(X)


def test_a_replica_is_the_same_alone_and_in_company():
    together = trained(range(6))
    np.testing.assert_allclose(trained(range(4, 6)), together[4:], atol=1e-4)
    np.testing.assert_allclose(trained([2]), together[2:3], atol=1e-4)
    assert np.abs(together[0] - together[1]).max() > 0.01


def test_replicas_start_where_they_start_in_a_longer_run():
    several = drawn(Architecture(3, (8, 4)), range(10)).values
    torch.testing.assert_close(drawn(Architecture(3, (8, 4)), range(5, 10)).values, several[5:], rtol=0, atol=0)


def test_initial_values_are_keras_or_torchs():
    glorot, default = (Architecture(30, (50,), initial=initial) for initial in ("glorot", "torch"))
    values, weights = glorot.draw(1, 0), 30 * 50
    assert np.abs(values[:weights]).max() == pytest.approx(np.sqrt(6 / 80), rel=0.01)
    assert values[:weights].std() == pytest.approx(np.sqrt(2 / 80), rel=0.05)
    np.testing.assert_array_equal(values[weights : weights + 50], 0.0)
    reference = nn.Linear(30, 50)
    values = default.draw(1, 0)
    assert np.abs(values[:weights]).max() == pytest.approx(1 / np.sqrt(30), rel=0.01)
    assert values[:weights].std() == pytest.approx(float(reference.weight.detach().std()), rel=0.08)
    assert 0.9 / np.sqrt(30) < np.abs(values[weights : weights + 50]).max() < 1 / np.sqrt(30)


def test_missing_values_have_no_score():
    x = X.copy()
    x[4, 1], x[9, 2] = np.nan, np.inf
    scores = drawn(Architecture(3, (8,))).scores(x)
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(scores).any(axis=0)), [4, 9])
    assert np.isnan(scores[:, [4, 9]]).all()


def test_scoring_in_blocks_changes_nothing(monkeypatch):
    networks = drawn(Architecture(3, (8,)))
    whole = networks.scores(X)
    monkeypatch.setattr("cutflow_cli.engine.network._LAYER_SIZE", 8 * 33)
    assert networks.block == 32
    # Some processors round the product of few rows otherwise than that of many.
    np.testing.assert_allclose(networks.scores(X), whole, atol=3e-7)
    assert networks.scores(X[:0]).shape == (3, 0)


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=str)
def test_a_saved_network_gives_the_same_scores(architecture, tmp_path):
    networks = drawn(architecture)
    networks.save(tmp_path / "network.safetensors")
    loaded = load_networks(tmp_path / "network.safetensors")
    assert loaded.architecture == architecture
    np.testing.assert_array_equal(loaded.scores(X), networks.scores(X))


def test_the_file_holds_every_layer_by_name(tmp_path):
    from safetensors.numpy import load_file

    networks = drawn(Architecture(3, (8,)))
    networks.save(tmp_path / "network.safetensors")
    stored = load_file(tmp_path / "network.safetensors")
    assert {name: stored[name].shape for name in stored} == {
        "layer0.weight": (3, 3, 8),
        "layer0.bias": (3, 8),
        "layer1.weight": (3, 8, 1),
        "layer1.bias": (3, 1),
        "scaling.shift": (3,),
        "scaling.scale": (3,),
    }


@pytest.mark.parametrize("damage", ["cut", "header", "text", "missing"])
def test_a_damaged_file_is_said_to_be_damaged(damage, tmp_path):
    path = tmp_path / "network.safetensors"
    drawn(Architecture(3, (8,))).save(path)
    content = path.read_bytes()
    match damage:
        case "cut":
            path.write_bytes(content[:-20])
        case "header":
            path.write_bytes(content.replace(b"layer1.bias", b"layer1.bxas"))
        case "text":
            path.write_bytes(b"no network")
        case _:
            path.unlink()
    with pytest.raises(InputError, match=r"network\.safetensors: (damaged|no such file).*train again"):
        load_networks(path)


def test_a_state_of_other_networks_is_refused():
    with pytest.raises(ValueError, match=r"\(2, 41\), expected \(3, 41\)"):
        drawn(Architecture(3, (8,))).restore(drawn(Architecture(3, (8,)), range(2)).state())
    with pytest.raises(ValueError, match=r"expected \(replicas, 41\)"):
        Networks(Architecture(3, (8,)), SCALING, np.zeros((2, 40)))


def test_a_state_is_a_copy():
    networks = drawn(Architecture(3, (8,)))
    state = networks.state()
    before = networks.scores(X)
    networks.values.add_(1.0)
    networks.restore(state)
    np.testing.assert_array_equal(networks.scores(X), before)


def test_the_same_networks_are_the_same_bytes(tmp_path):
    for number in range(8):  # the library puts what is said about them in any order
        drawn(Architecture(3, (8,))).save(tmp_path / f"{number}.safetensors")
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1
