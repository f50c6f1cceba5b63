"""Quantiles of columns read in parts, against numpy's; and what `keep_quantiles` makes of them."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from flat_files import table, write
from hypothesis import given
from hypothesis import strategies as st

from cutflow_cli.errors import InputError
from cutflow_cli.events.ingest import ingest
from cutflow_cli.events.quantiles import PASSES, quantiles
from cutflow_cli.events.settings_file import validate
from cutflow_cli.selection.evaluate import evaluate
from cutflow_cli.selection.parse import parse_condition
from cutflow_cli.selection.text import render

SPECIAL = [0.0, -0.0, np.nan, np.inf, -np.inf, 5e-324, -5e-324, 1.0, np.nextafter(1.0, 2.0), 1e308, -1e308]
doubles = st.lists(st.floats() | st.sampled_from(SPECIAL), max_size=40).map(lambda x: np.array(x, dtype=np.float64))
singles = st.lists(st.floats(width=32), max_size=40).map(lambda x: np.array(x, dtype=np.float32))


def of(values, shares, parts=1):
    passes = []

    def read():
        passes.append(None)
        for part in np.array_split(values, parts):
            yield {"x": part, "y": part[::-1]}

    found = quantiles(read, ["x", "y"], shares)
    assert found["x"] == found["y"] or np.isnan(found["x"]).all()
    assert len(passes) == PASSES
    return found["x"]


@given(doubles | singles, st.tuples(st.floats(0, 1), st.floats(0, 1)), st.integers(1, 5))
def test_they_are_those_of_numpy_over_what_is_finite(values, shares, parts):
    finite = values[np.isfinite(values)].astype(np.float64)
    if not len(finite):
        assert np.isnan(of(values, shares, parts)).all()
        return
    with np.errstate(over="ignore", invalid="ignore"):
        wanted = np.quantile(finite, shares)
    for mine, other in zip(of(values, shares, parts), wanted, strict=True):
        if np.isfinite(other):
            assert mine == other
        assert finite.min() <= mine <= finite.max()  # also where numpy overflows between -1e308 and 1e308


@pytest.mark.parametrize(
    "values",
    [[3.5], [2.0] * 1000, [-1.0] * 500 + [1.0] * 500, np.arange(-400, 401), [1e-300, 1e300, -1e300, 0.0, 7.0]],
)
def test_one_value_many_equal_ones_and_a_huge_range(values):
    values = np.array(values, dtype=np.float64)
    shares = (0.0, 0.05, 0.25, 0.5, 0.95, 1.0)
    assert of(values, shares, 3) == tuple(np.quantile(values, shares))


@given(st.lists(st.floats(-1e308, 1e308), min_size=1, max_size=30), st.floats(0, 1))
def test_a_quantile_in_a_condition_is_text_and_back_the_same_number(values, share):
    low = of(np.array(values), (share,))[0]
    text = render(parse_condition(f"{low!r} <= x"))
    assert evaluate(parse_condition(text), {"x": np.array([low])}, 1)[0]
    assert not evaluate(parse_condition(text), {"x": np.array([np.nextafter(low, -np.inf)])}, 1)[0]


FEATURES = ["pt", "m = mass", "r = pt / mass", "n"]


def settings(**changes):
    process = {"cross_section": 1.0, "weight": "w"}
    processes = {role: {**process, "role": role, "files": f"{role[0]}*"} for role in ("signal", "background")}
    return validate({
        "features": {"pt": {}, "m": "mass", "r": {"expression": "pt / mass", "dtype": "float32"}, "n": {}},
        "processes": {"S": processes["signal"], "B": processes["background"]},
        "luminosity": 1.0, "spectators": ["event"], **changes,
    })  # fmt: skip


@pytest.fixture
def base(tmp_path):
    for position, name in enumerate("sb"):
        columns = table(2000, position)
        columns["w"][::9] *= -1
        columns["pt"][::50] = np.nan
        write(tmp_path / f"{name}.parquet", columns)
    return tmp_path


def test_tails_are_those_of_the_training_split_after_the_preselection_and_cut_from_all(base, tmp_path):
    whole = ingest(settings(preselection=["n > 0"]), tmp_path / "whole.out", base=base)
    done = ingest(settings(preselection=["n > 0"], keep_quantiles=[0.05, 0.95]), tmp_path / "kept.out", base=base)
    all_events = pq.read_table(whole.path).to_pandas()
    train = all_events[all_events["split"] == "train"]
    names = ["pt", "m", "r", "n"]
    keep = np.ones(len(all_events), dtype=bool)
    stages = []
    for name in names:  # unweighted, signal and background together, missing values left out, boundaries inclusive
        low, high = np.quantile(train[name].dropna().astype(np.float64), [0.05, 0.95])
        keep &= (all_events[name] >= low) & (all_events[name] <= high)
        stages.append(keep.copy())
    kept = pq.read_table(done.path).to_pandas()
    pd.testing.assert_frame_equal(kept, all_events[keep].reset_index(drop=True))
    assert 0 < len(kept) < len(all_events)
    for process in done.metadata.processes:
        assert len(process.preselected) == 1 + 1 + len(names)
        mine = (all_events["process"] == process.name).to_numpy()
        for sums, passed in zip(process.preselected[2:], stages, strict=True):
            weights = all_events["weight"].to_numpy()[mine & passed]
            assert sums.events == len(weights)
            assert (sums.sumw, sums.sumw2) == pytest.approx((weights.sum(), (weights**2).sum()), rel=1e-12)
        assert process.preselected[-1].events == process.total.events
    assert "feature 'pt' is missing (NaN) in" in done.notes[0]
    assert "keep_quantiles removes them" in done.notes[0]
    assert not any("kept as they are" in note for note in done.notes)


def test_the_conditions_kept_in_the_file_select_the_same_events_of_the_source(base, tmp_path):
    done = ingest(settings(preselection=["n > 0"], keep_quantiles=[0.1, 0.8]), tmp_path / "kept.out", base=base)
    conditions = done.metadata.preselection
    assert len(conditions) == 5
    assert "float32(pt / mass)" in conditions[3]
    for name in "sb":
        source = pq.read_table(base / f"{name}.parquet")
        columns = {column: source[column].to_numpy() for column in source.column_names}
        keep = np.ones(2000, dtype=bool)
        for text in conditions:
            keep &= evaluate(parse_condition(text), columns, 2000)
        kept = pq.read_table(done.path).to_pandas()
        assert (columns["event"][keep] == kept["event"][kept["process"] == name.upper()]).all()


def test_alternative_samples_are_cut_alike_but_have_no_say(base, tmp_path):
    other = {
        "role": "background",
        "files": "v*",
        "cross_section": 1.0,
        "weight": "w",
        "replaces": "B",
        "variation": "g",
    }
    write(base / "v.parquet", {**table(500, 5), "pt": np.full(500, 20.0, np.float32)})
    processes = settings().model_dump(exclude_unset=True)["processes"]
    alone = ingest(settings(keep_quantiles=[0.2, 0.9]), tmp_path / "alone.out", base=base)
    both = ingest(
        settings(keep_quantiles=[0.2, 0.9], processes={**processes, "V": other}), tmp_path / "v.out", base=base
    )
    assert both.metadata.preselection == alone.metadata.preselection
    rows = pq.read_table(both.path).to_pandas()
    assert (rows["split"] == "variation").sum() == both.metadata.variations[0].replaced["B"].events
    assert 0 < (rows["split"] == "variation").sum() < 500


def test_a_feature_without_values_has_no_quantiles(base, tmp_path):
    for name in "sb":
        write(base / f"{name}.parquet", {**table(50), "pt": np.full(50, np.nan, np.float32)})
    with pytest.raises(InputError, match="feature 'pt' has no finite value in the training split to take quantiles of"):
        ingest(settings(keep_quantiles=[0.05, 0.95]), tmp_path / "o.out", base=base)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.parquet", "s.parquet"]


def test_the_diboson_sample_against_pandas(root, tmp_path):
    path = root.parent / "shared" / "data" / "diboson.parquet"
    if not path.is_file():
        pytest.skip("the realistic samples are not beside the checkout")
    frame = pd.read_parquet(path)
    names = [name for name in frame.columns if frame[name].dtype.kind == "f" and name != "weight"][:6]
    asked = validate({
        "features": names,
        "processes": {
            "VV": {"role": "signal", "files": str(path), "rows": "label == 1"},
            "QCD": {"role": "background", "files": str(path), "rows": "label == 0"},
        },
    })  # fmt: skip
    whole = pq.read_table(ingest(asked, tmp_path / "w.parquet").path).to_pandas()
    done = ingest(asked.model_copy(update={"keep_quantiles": (0.05, 0.95)}), tmp_path / "k.parquet")
    train = whole[whole["split"] == "train"]
    bounds = train[names].astype(np.float64).quantile([0.05, 0.95])
    inside = ((whole[names] >= bounds.loc[0.05]) & (whole[names] <= bounds.loc[0.95])).all(axis=1)
    pd.testing.assert_frame_equal(pq.read_table(done.path).to_pandas(), whole[inside].reset_index(drop=True))
