"""Read a page with the standard library alone, and look its numbers up in the Parquet files beside it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

VOID = {"meta", "br", "img", "link", "hr", "input"}
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?"
#: A number and its errors, perhaps in brackets with a power of ten or per cent behind.
_WITH_ERRORS = re.compile(
    rf"(?P<sign>[+-]?)(?P<open>\(?)(?P<parts>{_NUMBER}(?:\s?±\s?{_NUMBER})*)(?P<close>\)?)(?:e(?P<power>[+-]?\d+))?"
    r"(?P<percent>\s?%)?"
)
_IN_TEXT = re.compile(rf"(?<![\w.]){_NUMBER}(?![\w])")
_MARK = re.compile(r"\s*\[\d+\]$")


@dataclass
class TableOfPage:
    caption: str
    header: tuple[str, ...] = ()
    rows: list[tuple[str, ...]] = field(default_factory=list)
    marks: list[str] = field(default_factory=list)


class Page(HTMLParser):
    """Everything the tests ask of a page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open_tags: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.references: list[str] = []
        self.headers: list[dict[str, Any]] = []
        self.images: list[dict[str, Any]] = []
        self.attributes: set[str] = set()
        self.tables: list[TableOfPage] = []
        self.language = self.title = self.text = ""
        self._captions: dict[str, str] = {}
        self._caption: str | None = None
        self._cells: list[str] | None = None

    def handle_starttag(self, tag, attrs):
        known = dict(attrs)
        self.tags.append(tag)
        self.attributes |= set(known)
        if tag not in VOID:
            self.open_tags.append(tag)
        if "id" in known:
            self.ids.append(known["id"])
        self.references += [known[name] for name in ("aria-labelledby",) if name in known]
        if tag == "html":
            self.language = known["lang"]
        if tag == "a":
            self.links.append(known["href"])
        if tag == "img":
            self.images.append(known)
        if tag == "th":
            self.headers.append(known)
        if known.get("class") == "caption":
            self._caption = known["id"]
        if tag == "table":
            self.tables.append(TableOfPage(self._captions[known["aria-labelledby"]]))
        if tag == "tr":
            self._cells = []
        if tag in ("td", "th"):
            self._cells.append("")
        if tag == "br" and self._cells:
            self._cells[-1] += " "

    def handle_endtag(self, tag):
        assert self.open_tags.pop() == tag
        if tag == "p":
            self._caption = None
        if tag == "tr":
            cells = tuple(self._cells)
            if "thead" in self.open_tags:
                self.tables[-1].header = cells
            else:
                self.tables[-1].rows.append(cells)
            self._cells = None

    def handle_data(self, data):
        if "style" in self.open_tags:
            return
        self.text += data
        if self.open_tags and self.open_tags[-1] == "title":
            self.title += data
        if self._caption is not None:
            self._captions[self._caption] = self._captions.get(self._caption, "") + data
        if self._cells and {"td", "th"} & set(self.open_tags):
            self._cells[-1] += data
        mark = re.fullmatch(r"\[\d+\] (.*)", data)
        if mark and self.tables:
            self.tables[-1].marks.append(mark[1])


def read_page(text: str) -> Page:
    page = Page()
    page.feed(text)
    page.close()
    return page


def parsed(cell: str) -> list[tuple[float, float]]:
    """Return the numbers of a cell, each with half its last digit; nothing for a cell that is no number."""
    text = _MARK.sub("", cell.strip()).replace("−", "-")
    found = _WITH_ERRORS.fullmatch(text)
    if found is None:
        return []
    power = int(found["power"] or 0) - (2 if found["percent"] else 0)
    sign = -1.0 if found["sign"] == "-" else 1.0
    numbers = []
    for part in re.split(r"\s?±\s?", found["parts"]):
        value, half = _one(part)
        numbers.append((sign * value * 10.0**power, half * 10.0**power))
        sign = 1.0
    return numbers


def _one(text: str) -> tuple[float, float]:
    """Return a number and half of its last digit; of a whole number half of the last digit that is not 0."""
    mantissa, _, power = text.lstrip("+-").partition("e")
    whole, point, decimals = mantissa.partition(".")
    last = -len(decimals) if point else len(whole) - len(whole.rstrip("0")) if whole.strip("0") else 0
    return float(text), 0.5 * 10.0 ** (last + int(power or 0))


@dataclass
class Numbers:
    """All numbers of a report.

    Attributes:
        single: each number.
        rows: each number with its errors, as they stand in a row; NaN for none.
        reasons: what was said of numbers.
    """

    single: np.ndarray
    rows: np.ndarray
    reasons: set[str]

    @classmethod
    def of(cls, directory: Path) -> Numbers:
        manifest = json.loads((directory / "report.json").read_text())
        single: list[float] = [0.0]
        rows: list[tuple[float, ...]] = []
        reasons: set[str] = set()
        files = sorted(directory.glob("*.parquet"))
        for run in manifest["runs"]:
            path = Path(run["path"])
            if path.is_file():
                single += _numbers_in(json.loads(path.read_text()))
            files += sorted(path.glob("*.parquet")) if path.is_dir() else []
        single += _numbers_in(manifest)
        for file in files:
            table = pq.read_table(file)
            for record in table.to_pylist():
                single += _numbers_in(list(record.values()))
                rows += _with_errors(record)
                single += _per_cent(record)
                if record.get("reason"):
                    reasons.add(record["reason"])
                if record.get("cut"):
                    reasons.add(record["cut"])
        single += _pulls(directory / "metrics.parquet")
        return cls(np.unique(np.array(single)), np.array(rows, dtype=float), reasons)

    def have(self, cell: str) -> bool:
        """Whether all numbers of a cell are there, together where they stand together."""
        numbers = parsed(cell)
        if not numbers:
            return all(self._single(*_one(text)) for text in _IN_TEXT.findall(_MARK.sub("", cell).replace("−", "-")))
        if len(numbers) == 1:
            return self._single(*numbers[0])
        matches = np.ones(len(self.rows), dtype=bool)
        for column, (value, half) in enumerate(numbers):
            matches &= np.abs(self.rows[:, column] - value) <= half * (1 + 1e-6)
        return bool(matches.any())

    def _single(self, value: float, half: float) -> bool:
        low, high = np.searchsorted(self.single, [value - half * (1 + 1e-6), value + half * (1 + 1e-6)])
        return bool(high > low)


def _numbers_in(value: Any) -> list[float]:
    if isinstance(value, bool) or value is None:
        return []
    if isinstance(value, int | float):
        return [float(value)] if np.isfinite(value) else []
    if isinstance(value, str):
        return [float(text) for text in _IN_TEXT.findall(value)]
    members = value.values() if isinstance(value, dict) else value
    return [number for one in members for number in _numbers_in(one)]


def _with_errors(record: dict[str, Any]) -> list[tuple[float, ...]]:
    """Return each number of a row with its errors."""
    nan = float("nan")
    found = []
    for name, value in record.items():
        if not isinstance(value, float):
            continue
        if name == "value":
            errors = (record["stat_error"], record.get("replica_spread"))
        elif name == "correlation":
            errors = (record["error"], None)
        else:
            errors = (record.get(f"{name}_error"), None)
        first, second = (nan if error is None else error for error in errors)
        found.append((value, first, second))
        if np.isnan(first):
            found.append((value, second, nan))  # a number whose only error is its spread
    return found


def _per_cent(record: dict[str, Any]) -> list[float]:
    """Return the shift under a variation and its error in per cent of the nominal number, as they are printed."""
    relative = record.get("relative_shift")
    if relative is None:
        return []
    error = abs(100 * relative * (record["shift_error"] or 0) / record["shift"]) if record["shift"] else 0.0
    return [100 * relative, error]


def _pulls(path: Path) -> list[float]:
    """Return (quoted − train)/σ of every number, which is printed but stands in no file."""
    rows = [row for row in pq.read_table(path).to_pylist() if row["kind"] == "consensus" and row["value"] is not None]
    by_key: dict[tuple[Any, ...], dict[str, dict[str, Any]]] = {}
    for row in rows:
        key = (row["run"], row["working_point"], row["hypothesis"], row["metric"], row["target"])
        by_key.setdefault(key, {})[row["split"]] = row
    pulls = []
    for found in by_key.values():
        if {"train", "test"} <= set(found):
            error = np.hypot(found["test"]["stat_error"] or 0, found["train"]["stat_error"] or 0)
            if error:
                pulls.append((found["test"]["value"] - found["train"]["value"]) / error)
    return pulls
