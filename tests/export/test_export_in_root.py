"""What ROOT itself makes of an exported selection; skipped where ROOT can't be imported.

TTreeFormula is no C++ compiler (a division by zero gives 0, `sqrt` takes the absolute value), so that compiling a TCut
shows less than asking TTreeFormula.
"""

from __future__ import annotations

import array
import warnings

import numpy as np
import pytest
from export_corpus import FEATURES, SOURCE, corpus, expected

from cutflow_cli.export.dialect import Selections
from cutflow_cli.export.rdataframe import RDataFrame
from cutflow_cli.export.root import Root
from cutflow_cli.selection.cutflow import CutFlow

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the distribution on PyPI says at import that it is young
    ROOT = pytest.importorskip("ROOT", reason="ROOT is not installed; the compiled C++ stands in for it")

CASES = corpus(60, 100, seed=11)
#: Compiling at run time takes ROOT about a second a selection.
FEW = range(0, len(CASES), 6)


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    """One tree a case in one file."""
    path = tmp_path_factory.mktemp("root") / "events.root"
    file = ROOT.TFile(str(path), "RECREATE")
    codes = {"float": ("f", "F"), "double": ("d", "D"), "int": ("i", "I")}
    for number, (_, source) in enumerate(CASES):
        tree = ROOT.TTree(f"case{number}", "")
        buffers = {name: array.array(codes[kind][0], [0]) for name, kind in SOURCE.items()}
        for name, kind in SOURCE.items():
            tree.Branch(name, buffers[name], f"{name}/{codes[kind][1]}")
        for row in range(len(source["a"])):
            for name, buffer in buffers.items():
                buffer[0] = source[name][row].item()
            tree.Fill()
        tree.Write()
    file.Close()
    return str(path)


@pytest.mark.parametrize("case", range(len(CASES)))
def test_tcut(trees, case):
    selections, source = CASES[case]
    file = ROOT.TFile(trees)
    tree = file.Get(f"case{case}")
    text = Root().render(selections).strip()
    formula = ROOT.TTreeFormula("selection", text, tree)
    assert formula.GetNdim() == 1, text
    mask = []
    for row in range(tree.GetEntries()):
        tree.GetEntry(row)
        formula.GetNdata()
        mask.append(formula.EvalInstance() != 0)
    np.testing.assert_array_equal(mask, expected(selections, source), text)
    assert tree.GetEntries(text) == np.count_nonzero(mask)


def test_rdataframe(trees):
    for case in FEW:
        selections, source = CASES[case]
        text = RDataFrame().render(selections).replace("#pragma once", "")
        assert ROOT.gInterpreter.Declare(text.replace("cutflow_selection", f"select_{case}"))
        # `a` to `n` and the row number are all columns, so that rows can be told apart
        frame = ROOT.RDF.AsRNode(ROOT.RDataFrame(f"case{case}", trees).Define("row", "int(rdfentry_)"))
        kept = getattr(ROOT, f"select_{case}")(frame)
        rows = [int(row) for row in kept.Take["int"]("row")]
        np.testing.assert_array_equal(sorted(rows), np.flatnonzero(expected(selections, source)), text)
        if case == FEW[1]:
            report = kept.Report()
            assert [cut.GetName() for cut in report.GetValue()][-1] == str(selections.flow.cuts[-1])


def test_a_tcut_guards_what_ttreeformula_computes_otherwise(trees):
    """`a / b < 1` alone would keep the events with b = 0, and `sqrt` and `log` those with negative numbers."""
    condition = "a / b < 1 and not sqrt(a) < 9 and not log(a) < 9 and (a == 1 or b == 0)"
    _, source = CASES[1]
    selections = Selections("guards", "none", (CutFlow(()),), FEATURES, (condition,))
    file = ROOT.TFile(trees)
    tree = file.Get("case1")
    exact = tree.GetEntries(Root().render(selections).strip())
    naive = tree.GetEntries("a / b < 1 && !(sqrt(a) < 9) && !(log(a) < 9) && (a == 1 || b == 0)")
    assert exact == np.count_nonzero(expected(selections, source)) > 0
    assert naive != exact
