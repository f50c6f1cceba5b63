"""Readers of ROOT, Parquet, CSV and LHE files. Nothing else knows the formats."""

from __future__ import annotations

from cutflow_cli.events.readers.base import Column, Format, Source, find_column, find_number
from cutflow_cli.events.readers.location import Location
from cutflow_cli.events.readers.opening import open_source, tree_sum

__all__ = ["Column", "Format", "Location", "Source", "find_column", "find_number", "open_source", "tree_sum"]
