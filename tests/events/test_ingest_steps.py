"""Ingest as a library: weights, splits, types and counters of what is written, against the input worked by hand."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from flat_files import table, write

from cutflow_cli.errors import InputError, UsageError
from cutflow_cli.events.ingest import ingest
from cutflow_cli.events.schema import SPLITS, FeatureInfo
from cutflow_cli.events.settings_file import validate
from cutflow_cli.events.splits import SplitFractions, hashed_splits
from cutflow_cli.events.table import open_events


def sample(tmp_path, suffix=".root", rows=(300, 500)):
    """A signal and a background file, and their columns."""
    columns = {name: table(count, seed) for seed, (name, count) in enumerate(zip(("s", "b"), rows, strict=True))}
    for name, values in columns.items():
        write(tmp_path / f"{name}{suffix}", values)
    return columns


def settings(suffix=".root", signal=(), background=(), **rest):
    """Settings of one signal and one background; the last arguments are of the top level."""
    return validate(
        {
            "features": ["pt", "mass", "r = pt / mass"],
            "processes": {
                "S": {"role": "signal", "files": f"s{suffix}", **dict(signal)},
                "B": {"role": "background", "files": f"b{suffix}", **dict(background)},
            },
            **rest,
        }
    )


def written(out):
    return pq.read_table(out).to_pydict()


@pytest.mark.parametrize("suffix", [".root", ".rntuple.root", ".parquet", ".csv"])
def test_weights_are_cross_section_times_luminosity_over_the_sum(tmp_path, suffix):
    columns = sample(tmp_path, suffix)
    asked = settings(
        suffix,
        {"cross_section": 0.5, "weight": "w"},
        {"cross_section": 20.0, "k_factor": 1.5, "weight": "w", "sum_of_weights": 1000.0, "generated_events": 1200},
        luminosity=10.0,
        seed=3,
    )
    done = ingest(asked, tmp_path / "out.parquet", base=tmp_path)
    rows = written(tmp_path / "out.parquet")
    w = {name: np.asarray(values["w"], dtype=np.float64) for name, values in columns.items()}
    expected = [*(0.5 * 10_000 * w["s"] / w["s"].sum()), *(30.0 * 10_000 * w["b"] / 1000.0)]
    np.testing.assert_allclose(rows["weight"], expected, rtol=1e-12 if suffix != ".csv" else 1e-6)
    assert rows["process"] == ["S"] * 300 + ["B"] * 500
    assert rows["label"] == [1] * 300 + [0] * 500
    signal, background = done.metadata.processes
    assert signal.total.sumw == pytest.approx(5000.0)
    assert (signal.generated_events, background.generated_events) == (300, 1200)
    assert signal.generated_sumw == pytest.approx(w["s"].sum(), rel=1e-6)
    assert signal.generated_sumw2 == pytest.approx((w["s"] ** 2).sum(), rel=1e-6)
    assert (background.cross_section, background.generated_sumw, background.generated_sumw2) == (30.0, 1000.0, None)
    assert done.metadata.luminosity == 10.0
    assert done.notes == ()


def test_features_are_computed_in_double_precision_and_rounded_once(tmp_path):
    columns = sample(tmp_path)
    asked = settings(features={"pt": {"unit": "GeV"}, "d": "(pt + 1e6) - 1e6", "q2": "q * 2", "r": "pt / mass", "n": {},
                               "half": {"expression": "mass / 2", "dtype": "float32"}})  # fmt: skip
    done = ingest(asked, tmp_path / "out.parquet", base=tmp_path)
    found = pq.read_table(tmp_path / "out.parquet")
    pt = np.concatenate([columns["s"]["pt"], columns["b"]["pt"]])
    mass = np.concatenate([columns["s"]["mass"], columns["b"]["mass"]])
    assert [str(found.schema.field(name).type) for name in ("pt", "d", "q2", "r", "n", "half")] == [
        "float", "float", "float", "double", "double", "float",
    ]  # fmt: skip
    np.testing.assert_array_equal(found["pt"].to_numpy(), pt)
    np.testing.assert_array_equal(found["d"].to_numpy(), ((pt.astype(np.float64) + 1e6) - 1e6).astype(np.float32))
    np.testing.assert_array_equal(found["r"].to_numpy(), pt / mass)
    np.testing.assert_array_equal(found["half"].to_numpy(), (mass / 2).astype(np.float32))
    assert done.metadata.features[0] == FeatureInfo("pt", "float32", "GeV")
    assert done.metadata.features[3] == FeatureInfo("r", "float64", expression="pt / mass")


def test_chunks_and_files_change_nothing(tmp_path):
    sample(tmp_path, ".parquet")
    asked = settings(".parquet", {"cross_section": 1.0, "weight": "w", "rows": "pt > 20"}, {"cross_section": 2.0},
                     luminosity=1.0, spectators=["event"])  # fmt: skip
    for name, chunk in (("one", 10_000), ("many", 7)):
        ingest(asked, tmp_path / f"{name}.parquet", base=tmp_path, chunk_rows=chunk)
    one, many = (pq.read_table(tmp_path / f"{name}.parquet") for name in ("one", "many"))
    assert one.drop_columns("weight").equals(many.drop_columns("weight"))
    np.testing.assert_allclose(one["weight"].to_numpy(), many["weight"].to_numpy(), rtol=1e-14)  # order of the sum


def test_splits_are_hashed_by_row_number_and_seed(tmp_path):
    sample(tmp_path)
    ingest(settings(split="0.5,0.2,0.3", seed=11), tmp_path / "out.parquet", base=tmp_path, chunk_rows=64)
    wanted = hashed_splits(0, 800, SplitFractions(0.5, 0.2, 0.3), 11)
    assert written(tmp_path / "out.parquet")["split"] == [SPLITS[position] for position in wanted]


def test_rows_of_a_shared_file_are_normalised_among_themselves(tmp_path):
    columns = table(1000)
    names = np.random.default_rng(5).choice(["WW", "WZ", "QCD"], 1000)
    write(tmp_path / "all.parquet", {**columns, "process": names, "label": (names != "QCD").astype(np.int8)})
    common = {"files": "all.parquet", "weight": "w"}
    raw = {
        "features": ["pt"],
        "luminosity": 3.0,
        "processes": {
            "WW": {**common, "role": "signal", "rows": {"process": "WW"}, "cross_section": 2.0},
            "WZ": {**common, "role": "signal", "rows": {"process": "WZ", "label": 1}, "cross_section": 1.0},
            "QCD": {**common, "role": "background", "rows": "label == 0", "cross_section": 50.0},
        },
    }
    done = ingest(validate(raw), tmp_path / "out.parquet", base=tmp_path)
    assert [process.total.events for process in done.metadata.processes] == [
        (names == n).sum() for n in raw["processes"]
    ]
    assert [process.total.sumw for process in done.metadata.processes] == pytest.approx([6000, 3000, 150_000])
    assert len(done.metadata.sources) == 1
    raw["processes"]["WZ"]["rows"] = {"process": "wz"}
    with pytest.raises(InputError, match=r"process 'WZ': rows = .* picks no event of its files; did you mean WZ"):
        ingest(validate(raw), tmp_path / "x.parquet", base=tmp_path)
    raw["processes"]["WZ"]["rows"] = {"process": 3.0}
    with pytest.raises(InputError, match=r"column 'process' \(for rows\) holds text, it can't be 3.0"):
        ingest(validate(raw), tmp_path / "x.parquet", base=tmp_path)
    del raw["processes"]["WZ"]["rows"]
    with pytest.raises(UsageError, match=r"all.parquet belongs to processes 'WW' and 'WZ'; say with rows"):
        ingest(validate(raw), tmp_path / "x.parquet", base=tmp_path)


def test_spectators_keep_their_values_to_the_last_digit(tmp_path):
    columns = sample(tmp_path)
    done = ingest(settings(spectators=["event", "n"]), tmp_path / "out.parquet", base=tmp_path)
    rows = written(tmp_path / "out.parquet")
    assert rows["event"] == [*columns["s"]["event"].tolist(), *columns["b"]["event"].tolist()]  # beyond 2**53
    assert done.metadata.spectators == ("event", "n")
    assert open_events(tmp_path / "out.parquet").features == ("pt", "mass", "r")


def test_spectators_whose_types_no_type_keeps_are_refused(tmp_path):
    write(tmp_path / "s.parquet", {"pt": np.ones(3), "id": np.arange(3, dtype=np.uint64)})
    write(tmp_path / "b.parquet", {"pt": np.ones(3), "id": np.arange(3, dtype=np.int64)})
    with pytest.raises(InputError, match=r"spectator 'id' is uint64 in .*s.parquet and int64 in .*b.parquet"):
        ingest(settings(".parquet", features=["pt"], spectators=["id"]), tmp_path / "o.parquet", base=tmp_path)


def test_hypotheses_are_numbers_or_columns_and_null_for_background(tmp_path):
    sample(tmp_path)
    ingest(settings(signal={"hypothesis": 1.5}), tmp_path / "number.parquet", base=tmp_path)
    assert written(tmp_path / "number.parquet")["hypothesis"] == [1.5] * 300 + [None] * 500
    ingest(settings(signal={"hypothesis": "2 * n"}), tmp_path / "column.parquet", base=tmp_path)
    assert written(tmp_path / "column.parquet")["hypothesis"][:300] == (2.0 * table(300, 0)["n"]).tolist()


def test_yields_are_taken_as_they_come(tmp_path):
    columns = sample(tmp_path)
    yields = {"weight": "w", "weights_are_yields": True}
    done = ingest(settings(signal=yields, background=yields, luminosity=50.0), tmp_path / "o.parquet", base=tmp_path)
    np.testing.assert_array_equal(written(tmp_path / "o.parquet")["weight"][:300], columns["s"]["w"])
    info = done.metadata.processes[0]
    assert (info.cross_section, info.generated_sumw, done.metadata.luminosity) == (None, None, 50.0)


def test_without_normalisation_every_event_counts_one_and_it_is_said(tmp_path):
    sample(tmp_path)
    done = ingest(settings(), tmp_path / "out.parquet", base=tmp_path)
    assert set(written(tmp_path / "out.parquet")["weight"]) == {1.0}
    assert done.notes[0].startswith("no normalisation was given: every event counts as 1")


def test_values_that_are_not_finite_are_kept_and_counted(tmp_path):
    pt = np.array([1.0, np.nan, np.inf, 4.0, 0.0], np.float32)
    write(tmp_path / "s.parquet", {"pt": pt, "mass": np.array([1.0, 1.0, 1.0, 1e-300, 0.0])})
    write(tmp_path / "b.parquet", {"pt": pt, "mass": np.ones(5)})
    asked = settings(".parquet", features=["pt", "r = pt / mass"], split="0.5,0,0.5")
    done = ingest(asked, tmp_path / "out.parquet", base=tmp_path)
    assert "feature 'pt': 2 missing (NaN) and 2 infinite values in 10 events" in " ".join(done.notes)
    assert "feature 'r': 3 missing (NaN) and 2 infinite values in 10 events" in " ".join(done.notes)
    np.testing.assert_array_equal(written(tmp_path / "out.parquet")["pt"][:5], pt)


@pytest.mark.parametrize(
    ("weights", "signal", "says"),
    [
        ([1.0, np.nan, 1.0], {"cross_section": 1.0}, r"s.parquet: weight 'w' is missing for 1 of rows 0 to 2"),
        ([0.0, 0.0, 0.0], {"cross_section": 1.0}, "weights of its 3 events before any preselection are all zero"),
        ([0.0, 0.0, 0.0], {"weights_are_yields": True}, "the weights of its 3 events sum to 0, not above 0"),
        ([1.0, 1.0, -3.0], {"cross_section": 1.0}, "before any preselection sum to -1; a cross section needs"),
        ([1.0, 1.0, -3.0], {"cross_section": 1.0, "sum_of_weights": 9.0}, "the weights of its 3 events sum to -1"),
        ([1.0, 1.0, 1.0], {"cross_section": 1.0, "generated_events": 4}, "4 events were generated but .* hold 3"),
        (
            [1.0, 1.0, 1.0],
            {"cross_section": 1.0, "generated_events": 2, "sum_of_weights": 5.0},
            "generated_events is 2, but its files hold 3",
        ),
    ],
)  # fmt: skip
def test_weights_that_normalise_nothing(tmp_path, weights, signal, says):
    write(tmp_path / "s.parquet", {"pt": np.ones(3), "w": np.array(weights)})
    write(tmp_path / "b.parquet", {"pt": np.ones(3), "w": np.ones(3)})
    background = {
        "weight": "w",
        **({"weights_are_yields": True} if "weights_are_yields" in signal else {"cross_section": 1.0}),
    }
    asked = settings(".parquet", {"weight": "w", **signal}, background, luminosity=1.0, features=["pt"])  # fmt: skip
    with pytest.raises(InputError, match=says):
        ingest(asked, tmp_path / "out.parquet", base=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.parquet", "s.parquet"]


def test_more_weight_than_was_generated_is_said(tmp_path):
    sample(tmp_path)
    signal = {"weight": "w", "cross_section": 1.0, "sum_of_weights": 100.0}
    asked = settings(signal=signal, background={"cross_section": 1.0}, luminosity=1.0)
    done = ingest(asked, tmp_path / "o.parquet", base=tmp_path)
    assert "more than the 100 given for all generated events" in done.notes[0]


def test_files_are_found_by_patterns_in_order_and_never_twice(tmp_path):
    columns = sample(tmp_path, ".csv", rows=(4, 5))
    for name in ("s2", "s10"):
        write(tmp_path / f"{name}.csv", columns["b"])
    asked = settings(".csv", {"files": ["s[0-9]*.csv", "s.csv"]})
    done = ingest(asked, tmp_path / "out.parquet", base=tmp_path)
    assert [source.path for source in done.metadata.sources] == [
        str(tmp_path / name) for name in ("s10.csv", "s2.csv", "s.csv", "b.csv")
    ]
    assert done.files == {"S": 3, "B": 1}
    with pytest.raises(UsageError, match=r"s2.csv is named twice; its events would count twice"):
        ingest(settings(".csv", {"files": ["s*.csv", "s2.csv"]}), tmp_path / "x.parquet", base=tmp_path)
    with pytest.raises(InputError, match=r"process 'S': no file matches '.*t\*.csv'"):
        ingest(settings(".csv", {"files": "t*.csv"}), tmp_path / "x.parquet", base=tmp_path)


def test_a_repeated_ingest_is_done_and_a_changed_one_is_not(tmp_path):
    sample(tmp_path)
    out = tmp_path / "out.parquet"
    first = ingest(settings(seed=1), out, base=tmp_path)
    again = ingest(settings(seed=1), out, base=tmp_path)
    assert (first.written, again.written) == (True, False)
    assert again.metadata == first.metadata
    for changed in (settings(seed=2), settings(features=["pt"]), settings(features=["mass", "pt", "r = pt / mass"])):
        with pytest.raises(UsageError, match=r"exists and was made from other inputs or settings"):
            ingest(changed, out, base=tmp_path)
    write(tmp_path / "s.root", table(300, 9))
    with pytest.raises(UsageError, match="exists and was made from other"):
        ingest(settings(seed=1), out, base=tmp_path)
    assert ingest(settings(seed=1), out, base=tmp_path, force=True).written
    with pytest.raises(UsageError, match=r"s.root: is one of the files to read"):
        ingest(settings(), tmp_path / "s.root", base=tmp_path, force=True)


@pytest.mark.parametrize(
    ("features", "says"),
    [
        (["massa"], r"no column 'massa' \(a feature\); did you mean mass"),
        (["r = pt / masss"], r"no column 'masss' \(feature 'r'\); did you mean mass"),
    ],
)
def test_missing_columns_are_found_before_anything_is_read(tmp_path, features, says):
    sample(tmp_path)
    with pytest.raises(InputError, match=says):
        ingest(settings(features=features), tmp_path / "out.parquet", base=tmp_path)


@pytest.mark.parametrize(
    ("features", "says"),
    [
        ({"a b": "pt"}, "feature 'a b': a feature's name has letters"),
        ({"lambda": "pt"}, "feature 'lambda': a feature's name has"),
        ({"c": "pt > 1"}, "feature 'c': this is a condition, a number is needed here"),
        ({"c": "2 * 3"}, "feature 'c': '2 \\* 3' names no column"),
        ({"c": "pt &"}, "feature 'c': `&` is not in the language"),
    ],
)
def test_expressions_that_are_no_features(tmp_path, features, says):
    with pytest.raises(UsageError, match=says):
        ingest(settings(features=features), tmp_path / "out.parquet", base=tmp_path)


def test_progress_reaches_its_end(tmp_path):
    sample(tmp_path)
    told = []
    ingest(
        settings(),
        tmp_path / "out.parquet",
        base=tmp_path,
        progress=lambda done, text: told.append(done),
        chunk_rows=50,
    )
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1.0)
    assert len(told) > 10
