"""What is read ahead is what would have been read."""

from __future__ import annotations

import threading

import pytest

from cutflow_cli.events.ahead import read_ahead


@pytest.mark.parametrize("items", [[], [None], [1, None, 0], list(range(100))])
def test_gives_the_same_in_the_same_order(items):
    assert list(read_ahead(iter(items))) == items


def test_reads_one_ahead_and_no_more():
    read, second = [], threading.Event()

    def numbers():
        for number in range(10):
            read.append(number)
            if number == 1:
                second.set()
            yield number

    ahead = read_ahead(numbers())
    assert next(ahead) == 0
    assert second.wait(5)  # without being asked for
    assert read == [0, 1]
    ahead.close()
    assert threading.active_count() == len([one for one in threading.enumerate() if "read-ahead" not in one.name])


def test_an_error_comes_after_what_was_read_before_it():
    def broken():
        yield 1
        raise ValueError("the disk")

    ahead = read_ahead(broken())
    assert next(ahead) == 1
    with pytest.raises(ValueError, match="the disk"):
        next(ahead)
