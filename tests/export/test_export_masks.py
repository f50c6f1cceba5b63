"""Each dialect that executes selects the events that cutflow selects, event by event.

Python runs in Python, a query in pandas, with numexpr too; TCut, RDataFrame and the struct of `cpp` are compiled as the
C++ that they are, with ROOT's functions where a TCut calls them. Where ROOT can be imported, ROOT itself is asked too.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import Counter
from importlib.util import find_spec

import awkward as ak
import numpy as np
import pandas as pd
import pytest
from export_corpus import (
    FEATURES,
    SOURCE,
    binned_corpus,
    columns,
    corpus,
    expected,
    feature_columns,
    random_selections,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.core.computation.ops import MATHOPS

from cutflow_cli.errors import UsageError
from cutflow_cli.export.awkward import Awkward
from cutflow_cli.export.cpp_struct import Cpp
from cutflow_cli.export.dialect import Selections
from cutflow_cli.export.json import Json
from cutflow_cli.export.python import Python
from cutflow_cli.export.query import Query
from cutflow_cli.export.rdataframe import RDataFrame
from cutflow_cli.export.root import Root
from cutflow_cli.selection.binned import members_of
from cutflow_cli.selection.cutflow import CutFlow

BINNED = binned_corpus(24, 120)
CASES = [*BINNED, *corpus(120, 120)]
#: pandas computes a query itself, or has numexpr do it where that is installed.
ENGINES = ("python", "numexpr") if find_spec("numexpr") else ("python",)


def load(selections: Selections) -> dict:
    """Execute an exported module."""
    namespace: dict = {}
    exec(compile(Python().render(selections), "selection.py", "exec"), namespace)
    return namespace


def test_the_corpus_tries_what_it_should():
    sizes = Counter(len(selections.flow.cuts) for selections, _ in CASES)
    assert {0, 1, 2, 3, 4} <= set(sizes)
    used = {cut.observable for selections, _ in CASES for cut in selections.flow.cuts}
    assert used == {feature.name for feature in FEATURES}
    kept = [expected(*case).mean() for case in CASES]
    assert sum(0 < share < 1 for share in kept) > len(CASES) / 2
    on_boundary = 0
    for selections, source in CASES:
        values = feature_columns(source, FEATURES)
        for cut in selections.flow.cuts:
            edges = [edge for edge in (cut.lower, cut.upper) if edge is not None]
            on_boundary += bool(np.isin(values[cut.observable], edges).any())
    assert on_boundary > 100


@pytest.mark.parametrize("case", range(len(CASES)))
def test_python_on_a_dict_and_on_a_frame(case):
    selections, source = CASES[case]
    select = load(selections)["select"]
    wanted = expected(selections, source)
    for events in (source, pd.DataFrame(source)):
        mask = select(events)
        assert mask.dtype == bool
        np.testing.assert_array_equal(mask, wanted)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_python_for_any_selection(seed):
    rng = np.random.default_rng(seed)
    source = columns(rng, 40)
    selections = random_selections(rng, source, int(rng.integers(1, 6)))
    np.testing.assert_array_equal(load(selections)["select"](source), expected(selections, source))


def test_python_reads_missing_values_of_every_kind_as_missing():
    module = load(Selections("missing", "lcf-parallel", CASES[-1][0].flows, FEATURES, ("x < 2", "not x > 1")))
    wanted = [True, False, False]
    numbers = [1.0, np.nan, 3.0]
    for values in (
        np.array(numbers),
        np.ma.masked_array([1.0, 1.0, 3.0], mask=[False, True, False]),
        np.ma.masked_array([1, 1, 3], mask=[False, True, False]),
        pd.Series([1.0, None, 3.0]),
        pd.Series([1, None, 3], dtype="Int64"),
        pd.Series([1.0, None, 3.0], dtype="Float32"),
        pd.Series([1.0, None, 3.0], dtype=object),
        pd.Series([1.0, None, 3.0], dtype="double[pyarrow]"),
    ):
        assert module["select"]({"x": values}).tolist() == wanted, type(values)
        if isinstance(values, pd.Series):
            assert module["select"](pd.DataFrame({"x": values})).tolist() == wanted
    structured = np.array([(1.0,), (np.nan,), (3.0,)], dtype=[("x", "f8")])
    assert module["select"](structured).tolist() == wanted
    assert list(module["cuts"]({"x": np.array(numbers)})) == ["preselection: x < 2.0", "preselection: not x > 1.0"]
    assert module["cuts"]({"x": np.array(numbers)})["preselection: not x > 1.0"].tolist() == [True, True, False]


def test_python_gives_one_mask_a_cut_and_keeps_everything_without_cuts():
    several = (case for case in CASES if len(case[0].flow.cuts) > 2 and not case[0].preselection)
    selections, source = next(case for case in several if not case[0].flow.binnings)
    masks = load(selections)["cuts"](source)
    assert list(masks) == [str(cut) for cut in selections.flow.cuts]
    steps = selections.flow.step_masks(feature_columns(source, FEATURES))
    for mask, step in zip(masks.values(), steps, strict=True):
        np.testing.assert_array_equal(mask, step)
    empty = load(CASES[-1][0])["select"]
    assert empty({"x": np.ones(3)}).tolist() == [True] * 3
    assert empty(pd.DataFrame({"x": [1.0, 2.0]})).tolist() == [True] * 2
    assert empty({}).tolist() == []


def kept_by(cut: dict, values: pd.Series) -> pd.Series:
    lower, upper = cut["lower"], cut["upper"]
    match cut["region"]:
        case "below":
            return values < upper
        case "above":
            return values > lower
        case "inside":
            return (values > lower) & (values < upper)
        case "outside":
            return (values < lower) | (values > upper)
    return pd.Series(True, index=values.index)


@pytest.mark.parametrize("case", range(len(CASES)))
def test_json_applied_by_pandas_alone(case):
    selections, source = CASES[case]
    selections = Selections(selections.run, "lcf-parallel", selections.flows, selections.features)
    try:
        document = json.loads(Json().render(selections))
    except UsageError as error:
        assert "infinite boundary" in str(error)
        cuts = [one for cut in selections.flow.cuts for one in (cut, *members_of(cut))]
        assert any(np.isinf([e for e in (c.lower, c.upper) if e is not None]).any() for c in cuts)
        return
    frame = pd.DataFrame(feature_columns(source, FEATURES))
    assert {name: str(frame[name].dtype) for name in document["features"]} == {
        name: feature["dtype"] for name, feature in document["features"].items()
    }
    keep = pd.Series(True, index=frame.index)
    for cut in document["cut_flows"][0]["cuts"]:
        values = frame[cut["observable"]]
        if "bins" not in cut:
            keep &= kept_by(cut, values)
            continue
        here = frame[cut["binned_in"]]
        bins = zip(cut["edges"], cut["edges"][1:], cut["bins"], strict=False)
        parts = [(here >= low) & (here < high) & kept_by(one, values) for low, high, one in bins]
        keep &= np.logical_or.reduce(parts)
    np.testing.assert_array_equal(keep.to_numpy(), expected(selections, source))


def query_mask(text: str, frame: pd.DataFrame, engine: str) -> np.ndarray:
    with np.errstate(all="ignore"):
        return frame.eval(text.strip(), engine=engine).to_numpy()


@pytest.mark.parametrize("case", range(0, len(CASES), 2))
def test_query_in_pandas_with_both_engines(case):
    """Remainders but by a power of two are refused: numexpr computes them by a division."""
    selections, source = CASES[case]
    try:
        text = Query().render(selections)
    except UsageError as error:
        assert "a remainder to the last bit, but by a power of two: b % n" in str(error)
        assert "modulo" in selections.flow.columns
        return
    if re.search(r"\btan\(", text) and "tan" not in MATHOPS:
        pytest.skip("tan in a query needs pandas 3")
    frame = pd.DataFrame(source).astype("float64")
    wanted = expected(selections, source)
    for engine in ENGINES if case % 4 == 0 else ENGINES[-1:]:
        np.testing.assert_array_equal(query_mask(text, frame, engine), wanted, text)
    if case % 12 == 0:
        np.testing.assert_array_equal(frame.query(text.strip()).index, np.flatnonzero(wanted))


@pytest.mark.parametrize(
    "condition",
    [
        "float32(a / b) < 0.35 or float32(c) > 0.1",
        "max(where(x > 1, min(a, b), c ** (n - n)), 1 ** y) >= 1 and x % 2 < 1.5",
        "min(a, b) ** 0 == 1 and not max(x, y) != 2",
        "a * (1 / 0) > 3 or x < 1 / 0 or y >= -1 / 0 and y <= 1 / 0",
        "not (a > -1 / 0) and 1 < 2 or (2 < 1 or where(1 > 2, a, b) > 0 / 0)",
        "-1 / 0 == a or 1 / 0 != b",
    ],
)
def test_query_of_what_it_has_no_words_for(condition):
    rng = np.random.default_rng(3)
    source = columns(rng, 400)
    frame = pd.DataFrame(source).astype("float64")
    selections = Selections("words", "none", (CutFlow(()),), FEATURES, (condition,))
    text = Query().render(selections)
    for engine in ENGINES:
        np.testing.assert_array_equal(query_mask(text, frame, engine), expected(selections, source), text)


@pytest.mark.parametrize("dialect", [Python(), Awkward()])
def test_rounding_to_single_precision_goes_on_in_double(dialect):
    """Beside a number numpy would compute and compare in single precision what was rounded to it."""
    rng = np.random.default_rng(4)
    source = columns(rng, 300) | {"a": rng.choice([0.35, 0.1, 0.7], 300).astype(np.float32)}
    condition = "float32(a) < 0.35 or float32(c) / float32(b) > 0.1 and float32(a) / 3 != 0.11666666666666667"
    selections = Selections("single", "none", (CutFlow(()),), FEATURES, (condition,))
    namespace: dict = {}
    exec(compile(dialect.render(selections), "selection.py", "exec"), namespace)
    events = ak.Array(source) if isinstance(dialect, Awkward) else source
    np.testing.assert_array_equal(namespace["select"](events), expected(selections, source))


_SHIM = """
#include <cmath>
#include <cstdio>
#include <limits>
#include <vector>
#include "selections.h"
#pragma GCC diagnostic ignored "-Wunused-parameter"
namespace TMath {
double Infinity() { return std::numeric_limits<double>::infinity(); }
double Sign(double a, double b) { return std::copysign(a, b); }
double Abs(double x) { return std::fabs(x); }
double Sqrt(double x) { return std::sqrt(x); }
double Exp(double x) { return std::exp(x); }
double Log(double x) { return std::log(x); }
double Log10(double x) { return std::log10(x); }
double Sin(double x) { return std::sin(x); }
double Cos(double x) { return std::cos(x); }
double Tan(double x) { return std::tan(x); }
double ASin(double x) { return std::asin(x); }
double ACos(double x) { return std::acos(x); }
double ATan(double x) { return std::atan(x); }
double ATan2(double y, double x) { return std::atan2(y, x); }
double SinH(double x) { return std::sinh(x); }
double CosH(double x) { return std::cosh(x); }
double TanH(double x) { return std::tanh(x); }
double Floor(double x) { return std::floor(x); }
double Ceil(double x) { return std::ceil(x); }
double Power(double x, double y) { return std::pow(x, y); }
}
struct Row { double a, b, c, x, y, n; };
"""


def rdataframe_filters(text: str) -> list[str]:
    """Return the strings that an exported function gives to `Filter`."""
    return [
        json.loads(f'"{found}"') for found in re.findall(r'^ +\.Filter\("((?:[^"\\]|\\.)*)", "', text, re.MULTILINE)
    ]


def struct_header(number: int) -> str:
    """Write one exported struct in a namespace of its own."""
    text = Cpp().render(CASES[number][0]).replace("#pragma once", "")
    return text.replace("namespace cutflow {", f"namespace case_{number} {{")


def struct_columns(number: int) -> list[str]:
    """Return the members of the struct's events in order."""
    return re.findall(r"^      double (\w+);", struct_header(number), re.MULTILINE)


def cpp_program() -> str:
    """Write one program that applies all C++ dialects of all cases to a stream of rows."""
    parts, calls = [_SHIM], []
    for number, (selections, _) in enumerate(CASES):
        promoted = ", ".join(f"double {name}" for name in SOURCE)
        typed = ", ".join(f"{kind} {name}" for name, kind in SOURCE.items())
        filters = rdataframe_filters(RDataFrame().render(selections))
        parts.append(f"bool tcut_{number}({promoted}) {{ return {Root().render(selections).strip()}; }}")
        parts.append(f"bool filter_{number}({typed}) {{ return {' && '.join(f'({f})' for f in filters) or 'true'}; }}")
        own = "float(r.a), r.b, r.c, float(r.x), r.y, int(r.n)"
        struct = (
            f"struct = case_{number}::Selection{{}}({{{', '.join(f'r.{name}' for name in struct_columns(number))}}});"
        )
        both = f"tcut = tcut_{number}(r.a, r.b, r.c, r.x, r.y, r.n); filter = filter_{number}({own});"
        calls.append(f"case {number}: {both} {struct} break;".replace("struct =", "whole ="))
    parts.append(
        "int main() { int number, rows; while (std::fread(&number, 4, 1, stdin) == 1) {"
        "  if (std::fread(&rows, 4, 1, stdin) != 1) return 1; std::vector<Row> data(rows);"
        "  if (std::fread(data.data(), sizeof(Row), rows, stdin) != std::size_t(rows)) return 1;"
        "  for (const Row &r : data) { bool tcut = false, filter = false, whole = false; switch (number) {"
        + "\n".join(calls)
        + "} std::putchar('0' + tcut + 2 * filter + 4 * whole); } } return 0; }"
    )
    return "\n".join(parts)


@pytest.fixture(scope="module")
def cpp_masks(tmp_path_factory):
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("no C++ compiler (g++ or clang++) to run the C++ dialects")
    directory = tmp_path_factory.mktemp("cpp")
    (directory / "masks.cpp").write_text(cpp_program())
    (directory / "selections.h").write_text("".join(map(struct_header, range(len(CASES)))))
    command = [
        compiler,
        "-std=c++17",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-O0",
        "-ffp-contract=off",
        "-o",
        "masks",
        "masks.cpp",
    ]
    compiled = subprocess.run(command, cwd=directory, check=True, capture_output=True, text=True)
    assert "selections.h" not in compiled.stderr, compiled.stderr  # no warnings of what is handed over as a header
    stream = b""
    for number, (_, source) in enumerate(CASES):
        rows = np.stack([source[name].astype(np.float64) for name in SOURCE], axis=1)
        stream += np.array([number, len(rows)], dtype=np.int32).tobytes() + rows.tobytes()
    ran = subprocess.run([directory / "masks"], input=stream, check=True, capture_output=True)
    codes = np.frombuffer(ran.stdout, dtype=np.uint8) - ord("0")
    lengths = [len(source["a"]) for _, source in CASES]
    return np.split(codes, np.cumsum(lengths)[:-1])


@pytest.mark.parametrize("case", range(len(CASES)))
def test_tcut_rdataframe_and_struct_compiled(cpp_masks, case):
    selections, source = CASES[case]
    wanted = expected(selections, source)
    np.testing.assert_array_equal((cpp_masks[case] & 1).astype(bool), wanted, Root().render(selections))
    np.testing.assert_array_equal((cpp_masks[case] & 2).astype(bool), wanted, RDataFrame().render(selections))
    np.testing.assert_array_equal((cpp_masks[case] & 4).astype(bool), wanted, Cpp().render(selections))
