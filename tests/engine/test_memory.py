"""Sizes of memory as users write them."""

import math

import pytest

from cutflow_cli.engine.memory import parse_memory
from cutflow_cli.errors import UsageError


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("500MB", 5e8),
        ("4 GB", 4e9),
        ("1.5GiB", 1.5 * 2**30),
        ("0", 0.0),
        ("1000", 1e3),
        (" 2gb ", 2e9),
        ("inf", math.inf),
    ],
)
def test_sizes(text, size):
    assert parse_memory(text) == size


@pytest.mark.parametrize("text", ["", "much", "-2GB", "2 gigs", "1e9x"])
def test_what_is_no_size(text):
    with pytest.raises(UsageError, match="such as 500MB or 4GB"):
        parse_memory(text)
