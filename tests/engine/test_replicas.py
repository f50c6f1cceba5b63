"""Which replicas to train."""

import pytest

from cutflow_cli.engine.replicas import parse_replicas
from cutflow_cli.errors import UsageError


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1", range(1)), ("10", range(10)), (" 3 ", range(3)), ("5:10", range(5, 10)), ("0:2", range(2))],
)
def test_a_number_or_a_block(text, expected):
    assert parse_replicas(text) == expected


@pytest.mark.parametrize("text", ["", "0", "5:5", "10:5", "-1", "1:", ":5", "1:2:3", "ten", "2.5", "1,2"])
def test_anything_else_is_refused_with_examples(text):
    with pytest.raises(UsageError, match=r"--replicas .*: give a number of replicas such as 10, or a block .* 5:10"):
        parse_replicas(text)
