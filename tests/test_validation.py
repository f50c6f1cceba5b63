"""What pydantic finds is said in our words, and a misspelt choice is told from the nearest."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field, ValidationError, field_validator

from cutflow_cli.validation import in_words


class Order(StrEnum):
    GIVEN = "given"
    LEARNED = "learned"


class Sample(BaseModel):
    order: Literal["given", "learned"] = "given"
    other: Order = Order.GIVEN
    epochs: Annotated[int, Field(ge=1)] = 1
    rate: float = 1.0
    names: Annotated[list[str], Field(min_length=1)] = ["x"]
    table: dict[str, float] = {}
    tidy: bool = True
    own: str = "x"

    @field_validator("own")
    @classmethod
    def _own(cls, value: str) -> str:
        if value == "no":
            msg = "OwnError is said as it is"
            raise ValueError(msg)
        if value == "none":
            msg = "'none' is not one of 'one', 'nine'."
            raise ValueError(msg)
        return value


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"order": "learnd"}, "must be 'given' or 'learned'; did you mean learned?"),
        ({"other": "lerned"}, "must be 'given' or 'learned'; did you mean learned?"),
        ({"order": "zzz"}, "must be 'given' or 'learned'"),
        ({"order": 3}, "must be 'given' or 'learned'"),
        ({"epochs": 0}, "must be greater than or equal to 1"),
        ({"epochs": "many"}, "must be a whole number"),
        ({"epochs": 1.5}, "must be a whole number, got a number with a fractional part"),
        ({"rate": "fast"}, "must be a number"),
        ({"names": []}, "must have at least 1 item"),
        ({"names": "x"}, "must be a list"),
        ({"table": 3}, "must be a table of names and values"),
        ({"tidy": "perhaps"}, "must be true or false, unable to interpret input"),
        ({"own": 3}, "must be text"),
        ({"own": "no"}, "OwnError is said as it is"),
        ({"own": "none"}, "'none' is not one of 'one', 'nine'; did you mean one?"),
    ],
)
def test_words(given, words):
    with pytest.raises(ValidationError) as caught:
        Sample(**given)
    assert in_words(caught.value.errors(include_url=False)[0]) == words


def test_what_would_move_the_cursor_of_a_terminal_is_not_printed():
    detail = {"type": "value_error", "msg": "Value error, no \x1b[2J\n so", "input": "\x1b[2J"}
    assert in_words(detail) == r"no \x1b[2J\n so"
