"""Names become positions, whatever a column of names is stored as."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutflow_cli.errors import InputError
from cutflow_cli.events.names import codes_of_names

KNOWN = ["WW", "QCD", "tt"]


@given(st.lists(st.sampled_from(KNOWN), max_size=20), st.permutations(KNOWN), st.sampled_from(["int8", "uint32"]))
def test_every_kind_of_column_gives_the_same(names, order, index):
    wanted = [KNOWN.index(name) for name in names]
    positions = pa.array([order.index(name) for name in names], type=pa.type_for_alias(index))
    for column in (pa.array(names, pa.string()), pa.array(names, pa.large_string()),
                   pa.DictionaryArray.from_arrays(positions, [*order, "unused"])):  # fmt: skip
        found = codes_of_names(column, KNOWN, "a.parquet", "process", np.int8)
        assert found.dtype == np.int8
        assert found.tolist() == wanted


@pytest.mark.parametrize(
    ("column", "says"),
    [(pa.array(["WW", "QDC"]), "a.parquet: column 'process' holds 'QDC'; did you mean QCD"),
     (pa.array(["WW", None]), "holds None"), (pa.array([None, None], pa.string()), "holds None"),
     (pa.array(["WW", None]).dictionary_encode(), "holds None"),
     (pa.DictionaryArray.from_arrays(pa.array([0, 1]), ["WW", None]), "holds None"),
     (pa.array([[1], [2]]), "holds list<item: int64>, names were expected")],
)  # fmt: skip
def test_what_is_no_known_name_is_refused(column, says):
    with pytest.raises(InputError, match=says):
        codes_of_names(column, KNOWN, "a.parquet", "process")


@pytest.mark.parametrize("index", [-1, -2, 3])
def test_indices_out_of_the_dictionary_are_damage(index):
    column = pa.DictionaryArray.from_arrays(pa.array([0, index], pa.int32()), KNOWN, safe=False)
    with pytest.raises(InputError, match=r"a.parquet: damaged Parquet data \(column 'process': index out"):
        codes_of_names(column, KNOWN, "a.parquet", "process")


def test_numbers_are_names_too():
    column = pa.array([21, 6, 21])
    assert codes_of_names(column, ["6", "21"], "a.parquet", "process").tolist() == [1, 0, 1]
