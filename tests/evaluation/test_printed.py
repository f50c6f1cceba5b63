"""How the columns of a table are divided among blocks that fit into a width."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from cutflow_cli.evaluation.printed import column_blocks, room_for_names

TEXT = st.text("abcdefgh ", min_size=1, max_size=12)


@st.composite
def grids(draw):
    columns = draw(st.integers(1, 8))
    line = st.lists(TEXT, min_size=columns, max_size=columns)
    return draw(line), draw(st.lists(line, max_size=4))


def taken(header, rows, block):
    """Characters of a printed line: one on each side, three between columns."""
    return 2 + 3 * (len(block) - 1) + sum(max(len(row[one]) for row in (header, *rows)) for one in block)


@given(grids(), st.integers(10, 120))
def test_every_column_is_in_one_block_that_fits_and_begins_with_the_first(grid, width):
    header, rows = grid
    blocks = column_blocks(header, rows, width)
    assert all(block[0] == 0 for block in blocks)
    assert [one for block in blocks for one in block[1:]] == list(range(1, len(header)))
    for block in blocks:
        assert taken(header, rows, block) <= width or len(block) <= 2
    for block, following in pairwise(blocks):
        assert taken(header, rows, (*block, following[1])) > width  # none is begun too early


@given(grids())
def test_without_a_width_nothing_is_divided(grid):
    header, rows = grid
    assert column_blocks(header, rows) == [tuple(range(len(header)))]
    assert column_blocks(header, rows, taken(header, rows, range(len(header)))) == [tuple(range(len(header)))]


def test_columns_without_a_name_stay_with_that_on_their_left():
    header = ("", "", "both", "neither", "WW\nevents", "\nshare", "pull", "")
    rows = [("bdt, mlp", "background", "0.25", "0.5", "12", "0.1", "+3.1", "differs")]
    assert column_blocks(header, rows, 39) == [(0, 1, 2), (0, 1, 3), (0, 1, 4, 5), (0, 1, 6, 7)]
    assert column_blocks(header, rows, 1) == [(0, 1, 2), (0, 1, 3), (0, 1, 4, 5), (0, 1, 6, 7)]


def test_the_longest_line_of_a_cell_is_its_width():
    assert column_blocks(("run", "free\nefficiency"), [("a", "1")], 18) == [(0, 1)]
    assert room_for_names(("run", "free\nefficiency"), [("a", "1")], 18) == 3
    assert room_for_names(("name", "kind\nx", "\ny"), [("a", "1", "22")], 40) == 40 - (2 + 3 + 3 + 4 + 2)
    assert room_for_names(("name",), [], 12) == 10
