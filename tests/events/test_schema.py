"""The description of an events file survives the journey to disk, and damage to it is said plainly."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutflow_cli.errors import InputError
from cutflow_cli.events.schema import (
    SPLITS,
    EventsMetadata,
    FeatureInfo,
    ProcessInfo,
    SourceFile,
    WeightSums,
)

FULL = EventsMetadata(
    features=(
        FeatureInfo("m_jet", "float32", "GeV", r"$m_\mathrm{jet}$"),
        FeatureInfo("r", "float64", None, None, "a / b"),
    ),
    processes=(
        ProcessInfo(
            "WW",
            "signal",
            0.1345,
            40_000,
            4e4,
            4e4,
            {"train": WeightSums(3, 1.5, 0.75), "test": WeightSums(1, 0.5, 0.25)},
        ),
        ProcessInfo("QCD", "background", splits={"train": WeightSums(2, -1.0, 5.0)}),
    ),
    luminosity=139.0,
    preselection=("fatjet.size > 0",),
    per_object=("fatjet.size",),
    spectators=("event",),
    sources=(SourceFile("a.root", 10, "abc"),),
    command="cutflow ingest …",
    digest="d",
    writer_version="0.1.0",
    seed=7,
)

texts = st.text(max_size=6)
numbers = st.floats(allow_nan=False, allow_infinity=False)
sums = st.builds(WeightSums, st.integers(0, 2**40), numbers, numbers)
metadata = st.builds(
    EventsMetadata,
    features=st.lists(
        st.builds(FeatureInfo, texts, st.sampled_from(["float32", "float64"]), st.none() | texts), max_size=3
    ).map(tuple),
    processes=st.lists(
        st.builds(
            ProcessInfo,
            texts,
            st.sampled_from(["signal", "background"]),
            st.none() | numbers,
            splits=st.dictionaries(st.sampled_from(SPLITS), sums),
        ),
        max_size=3,
    ).map(tuple),
    luminosity=st.none() | numbers,
    preselection=st.lists(texts, max_size=2).map(tuple),
    per_object=st.lists(texts, max_size=2).map(tuple),
    sources=st.lists(st.builds(SourceFile, texts, st.integers(0, 2**60), texts), max_size=2).map(tuple),
    seed=st.none() | st.integers(0, 2**63),
)


@given(metadata)
def test_round_trip(written):
    assert EventsMetadata.from_json(written.to_json(), "x.parquet") == written


def test_round_trip_of_everything_there_is():
    assert EventsMetadata.from_json(FULL.to_json(), "x.parquet") == FULL


def test_sums_add_over_splits():
    assert FULL.processes[0].total == WeightSums(4, 2.0, 1.0)
    assert ProcessInfo("empty", "signal").total == WeightSums()


def damaged(**changes: object) -> bytes:
    return json.dumps({**json.loads(FULL.to_json()), **changes}).encode()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"null",
        damaged(features=None),
        damaged(features=[{"name": "x", "colour": "red"}]),
        damaged(features=[{"name": "x", "dtype": "int7"}]),
        damaged(processes=[{"name": "x", "role": "data", "splits": {}}]),
        damaged(processes=[{"name": "x", "role": "signal"}]),
        damaged(processes=[{"name": "x", "role": "signal", "splits": {"train": {"n": 1}}}]),
        damaged(preselection=None),
        damaged(surprise=1),
    ],
)
def test_damage_names_the_file(text):
    with pytest.raises(InputError, match=r"^x\.parquet: the cutflow metadata is damaged \(.*\); write the file anew$"):
        EventsMetadata.from_json(text, "x.parquet")


@pytest.mark.parametrize("version", [None, 0, 2, "1"])
def test_another_schema_is_not_guessed_at(version):
    with pytest.raises(InputError, match=rf"events schema version {version}, this cutflow reads 1"):
        EventsMetadata.from_json(damaged(schema_version=version), "x.parquet")


def test_a_number_that_is_none_can_not_be_written():
    with pytest.raises(ValueError, match="JSON"):
        EventsMetadata((), (), luminosity=float("nan")).to_json()
