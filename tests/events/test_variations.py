"""Systematic variations: alternative weights and alternative samples, carried beside events that they do not change."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from flat_files import table, write

from cutflow_cli.errors import InputError, UsageError
from cutflow_cli.events.ingest import ingest
from cutflow_cli.events.merge import merge
from cutflow_cli.events.settings_file import validate
from cutflow_cli.events.table import open_events

ROWS = {"s": 120, "s_jes": 90, "t": 150, "w": 80}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A signal with an alternative sample, two backgrounds, and their columns."""
    directory = tmp_path_factory.mktemp("variations")
    columns = {name: table(rows, seed) for seed, (name, rows) in enumerate(ROWS.items())}
    for name, values in columns.items():
        values["pu"] = np.random.default_rng(7).uniform(0.8, 1.3, ROWS[name])
        write(directory / f"{name}.parquet", values)
    return directory, columns


def settings(*, alternative=True, first=True, **rest):
    """Settings with two weight variations and, unless told otherwise, a sample that replaces the signal."""
    common = {"weight": "w", "cross_section": 2.0}
    processes = {
        "S": {"role": "signal", "files": "s.parquet", **common},
        "T": {"role": "background", "files": "t.parquet", **common, "sum_of_weights": 500.0},
        "W": {"role": "background", "files": "w.parquet", "cross_section": 3.0},
    }
    if alternative:
        sample = {"role": "signal", "files": "s_jes.parquet", **common, "replaces": "S", "variation": "jes_up"}
        processes = {"S_jes": sample, **processes} if first else {**processes, "S_jes": sample}
    variations = {"pu_up": "w * pu", "xs": {"weight": "1.1", "processes": "W"}, **rest.pop("variations", {})}
    raw = {"features": ["pt", "mass"], "luminosity": 1.0, "processes": processes, "variations": variations}
    return validate({**raw, **rest})


def test_columns_hold_the_expected_events_under_each_variation(files, tmp_path):
    directory, columns = files
    done = ingest(settings(preselection=["pt > 20"]), tmp_path / "o.parquet", base=directory)
    rows = pq.read_table(tmp_path / "o.parquet").to_pandas()
    assert list(rows.split.unique()[-3:]) != ["variation"]
    passed = {name: values["pt"] > 20 for name, values in columns.items()}
    sums = {name: values["w"].astype(np.float64).sum() for name, values in columns.items()}
    scale = {"s": 2000 / sums["s"], "s_jes": 2000 / sums["s_jes"], "t": 2000 / 500.0}
    alternative = rows[rows.split == "variation"]
    w = columns["s_jes"]["w"][passed["s_jes"]].astype(np.float64)
    assert (alternative.process == "S").all()
    assert (alternative.label == 1).all()
    np.testing.assert_array_equal(alternative.weight, 0.0)
    np.testing.assert_allclose(alternative.weight_jes_up, w * scale["s_jes"], rtol=1e-12)
    for name in ("pu_up", "xs"):
        np.testing.assert_array_equal(alternative[f"weight_{name}"], 0.0)
    nominal = rows[rows.split != "variation"]
    for name, process in (("s", "S"), ("t", "T")):
        of = nominal[nominal.process == process]
        values = {key: column[passed[name]].astype(np.float64) for key, column in columns[name].items()}
        np.testing.assert_allclose(of.weight, values["w"] * scale[name], rtol=1e-12)
        np.testing.assert_allclose(of.weight_pu_up, values["w"] * values["pu"] * scale[name], rtol=1e-12)
        np.testing.assert_array_equal(of.weight_xs, of.weight)
        np.testing.assert_array_equal(of.weight_jes_up, 0.0 if process == "S" else of.weight)
    of = nominal[nominal.process == "W"]
    np.testing.assert_array_equal(of.weight_pu_up, of.weight)  # it has no weight for the variation to take the place of
    np.testing.assert_allclose(of.weight_xs, 1.1 * of.weight, rtol=1e-14)
    pu, xs, jes = done.metadata.variations
    assert (pu.weight, pu.processes, pu.replaced) == ("w * pu", ("S", "T"), {})
    assert (xs.weight, xs.processes) == ("1.1", ("W",))
    assert (jes.weight, jes.processes) == (None, ())
    assert jes.replaced["S"].events == len(w)
    assert jes.replaced["S"].sumw == pytest.approx(w.sum() * scale["s_jes"])
    assert jes.replaced["S"].sumw2 == pytest.approx((w**2).sum() * scale["s_jes"] ** 2)
    assert [process.name for process in done.metadata.processes] == ["S", "T", "W"]
    assert done.files == {"S_jes": 1, "S": 1, "T": 1, "W": 1}


@pytest.mark.parametrize("first", [True, False])
def test_events_and_their_splits_are_the_same_with_and_without_alternative_samples(files, tmp_path, first):
    directory, _ = files
    found = []
    for alternative in (True, False):
        out = tmp_path / f"{alternative}.parquet"
        ingest(settings(alternative=alternative, first=first), out, base=directory)
        events = open_events(out)
        batches = list(events.batches(("pt",)))
        found.append(
            (events.rows, *(np.concatenate([getattr(b, name) for b in batches]) for name in ("weight", "split")),
             *events.load_splits(("train", "test")))
        )  # fmt: skip
    assert found[0][0] == found[1][0] == 350
    np.testing.assert_array_equal(found[0][1], found[1][1])
    np.testing.assert_array_equal(found[0][2], found[1][2])
    for one, other in zip(found[0][3:], found[1][3:], strict=True):
        np.testing.assert_array_equal(one.x, other.x)
        np.testing.assert_array_equal(one.expected, other.expected)


def test_events_are_read_as_they_are_under_a_variation(files, tmp_path):
    directory, _ = files
    ingest(settings(), tmp_path / "o.parquet", base=directory)
    events = open_events(tmp_path / "o.parquet")
    rows = pq.read_table(tmp_path / "o.parquet").to_pandas()
    (pu,) = events.batches(("pt",), variation="pu_up")
    nominal = rows[rows.split != "variation"]
    np.testing.assert_array_equal(pu.weight, nominal.weight_pu_up)
    np.testing.assert_array_equal(pu.columns["pt"], nominal.pt)
    jes = list(events.batches(("pt",), rows=64, variation="jes_up"))
    weight, process, split = (np.concatenate([getattr(b, n) for b in jes]) for n in ("weight", "process", "split"))
    wanted = rows[((rows.split == "variation") | (rows.process != "S"))]
    np.testing.assert_array_equal(weight, wanted.weight_jes_up)
    np.testing.assert_array_equal(np.concatenate([b.columns["pt"] for b in jes]), wanted.pt)
    assert weight[process == 0].sum() == pytest.approx(2000.0)  # its own cross section and sum of weights
    assert (process == 0).sum() == ROWS["s_jes"]
    assert set(split[process == 0]) == {3}
    assert set(split[process != 0]) == {0, 1, 2}
    with pytest.raises(InputError, match=r"no variation 'jes'; did you mean jes_up"):
        next(events.batches(variation="jes"))
    ingest(settings(alternative=False, variations={}), tmp_path / "n.parquet", base=directory)
    with pytest.raises(InputError, match="no variation 'jes_up'"):
        next(open_events(tmp_path / "n.parquet").batches(variation="jes_up"))


def test_shards_carry_variations(files, tmp_path):
    directory, _ = files
    whole = tmp_path / "whole.parquet"
    ingest(settings(), whole, base=directory)
    shards = [tmp_path / f"{number}.parquet" for number in (1, 2, 3)]
    for number, path in enumerate(shards, start=1):
        ingest(settings(), path, base=directory, shard=(number, 3))
    merge(shards, tmp_path / "merged.parquet")
    assert (tmp_path / "merged.parquet").read_bytes() == whole.read_bytes()


def test_variations_that_are_nothing(files, tmp_path):
    directory, _ = files
    columns = {
        **table(5),
        "pt": np.array([10.0, 10.0, 999.0, 10.0, 10.0]),
        "bad": np.array([1.0, np.nan, 1.0, np.nan, 1.0]),
    }
    write(tmp_path / "w.parquet", columns)
    asked = settings(variations={"dead": {"weight": "bad", "processes": ["W"]}})
    processes = {name: {**item.model_dump(), "files": [str(directory / item.files[0])]}
                 for name, item in asked.processes.items()}  # fmt: skip
    processes["W"]["files"] = "w.parquet"
    for preselection, says in (
        ([], r"w.parquet: weight 'bad \(variation dead\)' is missing for 2 of rows 0 to 4 \(first: row 1\)"),
        (["mass > 0", "pt < 900"], r"is missing for 2 of the 4 events picked from rows 0 to 4"),
    ):
        raw = {**asked.model_dump(), "processes": processes, "preselection": preselection}
        with pytest.raises(InputError, match=says):
            ingest(validate(raw), tmp_path / "o.parquet", base=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["w.parquet"]


@pytest.mark.parametrize(
    ("process", "variations", "says"),
    [
        ({"replaces": "S"}, {}, "an alternative sample needs both"),
        ({"variation": "v"}, {}, "an alternative sample needs both"),
        ({"replaces": "X", "variation": "v"}, {}, "replaces 'X', which is no signal; did you mean S|there is: S|S"),
        ({"replaces": "B", "variation": "v"}, {}, "replaces 'B', which is no signal"),
        ({"replaces": "S", "variation": "a-b"}, {}, "processes.A.variation: 'a-b' is no name"),
        ({"replaces": "S", "variation": "v"}, {"v": {"weight": "w", "processes": ["S"]}}, "A replaces 'S' under it"),
        ({"role": "background", "replaces": "S", "variation": "v"}, {}, "replaces 'S', which is no background"),
        (None, {"v": {"weight": "w", "processes": ["X"]}}, r"variations.v: no process 'X'"),
        (None, {"v": "w"}, "no process has a weight that it could take the place of; name its processes"),
        (None, {"a b": "w"}, "variations.a b: 'a b' is no name"),
        (None, {"v": {"weigth": "w"}}, "variations.v.weigth: no such setting; did you mean weight"),
    ],
)
def test_variations_of_what_is_not_there(process, variations, says):
    raw = {"features": ["x"], "variations": variations}
    raw["processes"] = {
        name: {"role": role, "files": "f.root"} for name, role in (("S", "signal"), ("B", "background"))
    }
    if process is not None:
        raw["processes"]["A"] = {"role": "signal", "files": "a.root", **process}
    with pytest.raises(UsageError, match=says):
        validate(raw)
