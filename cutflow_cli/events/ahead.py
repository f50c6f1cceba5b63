"""Reading and counting at the same time."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def read_ahead(items: Iterator[T]) -> Generator[T, None, None]:
    """Get an item, in a thread of its own, while the one before it is used.

    Two items are held at once, however slow their user is. Order and errors are those of the items.

    Args:
        items: what is slow to get, such as batches that pyarrow decodes (which lets other threads run).
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="read-ahead") as pool:
        following = pool.submit(_next, items)
        while (item := following.result()) is not None:
            following = pool.submit(_next, items)
            yield item[0]


def _next(items: Iterator[T]) -> tuple[T] | None:
    """Return the next item in a tuple, which tells an item that is None from the end."""
    for item in items:
        return (item,)
    return None
