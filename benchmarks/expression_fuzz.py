"""Throw random, grown, mutated and repeated cuts at the expression language, and report what it can't digest.

    python benchmarks/expression_fuzz.py [--seconds 60] [--seed 0] [--longest 10000]

Every input is read in both dialects. One that is refused must be refused by the language's own error, with a caret
inside the text; one that is read must come back from its rendering as the same tree, and be computed on events with
jagged collections without anything but an input error. The report names what failed, the inputs per second, and the
slowest. Exits with 1 if anything failed or took longer than a second.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import get_args

import awkward as ak
import numpy as np

from cutflow_cli.errors import InputError
from cutflow_cli.selection.evaluate import evaluate
from cutflow_cli.selection.observable import read_observable
from cutflow_cli.selection.parse import Dialect, ExpressionError, parse
from cutflow_cli.selection.text import render
from cutflow_cli.selection.tokens import tokenize
from cutflow_cli.selection.tree import FUNCTIONS, Node, names

CORPUS = (
    "muon.pt >= 10 and -2.4 < muon.eta < 2.4",
    "muon0.charge == muon1.charge",
    "muon0.charge != muon1.charge and muon0,muon1.inv_mass > 200",
    "veto jet.b_tag == 1 [any]",
    "2.8 < jet0,lepton0.delta_r < 3.8",
    "veto -2.5 < photon.eta < 2.5 and photon.pt > 15 [any]",
    "jet:4,missinget0.min_delta_phi > 0.5 and jet:4.pt > 30 and -4.7 < jet:4.eta < 4.7",
    "fatjet0.constituents:100.pt > 0.5 [all]",
    "where(jet.pt > 30 [any], min(pt1,pt2), -1e-3) / m ** 2 % 3",
    "count(jet.pt > 30) >= 2 or not sum(jet.pt) < 100",
    "max(muon0,muon1.delta_r, abs(jet1:3.eta))",
    "Jet_pt[0] > 30 && TMath::Abs(Jet_eta[0]) < 2.4 || !(HLT_mu || nJet^2 > 3)",
    "Sum$(Jet_pt > 30 && fabs(Jet_eta) < 2.4) >= 2 && Max$(Jet_pt) < pow(met, 2)",
)
WORDS = (
    "and", "or", "not", "veto", "[any]", "[all]", "[ANY]", "any", "&&", "||", "!", "&", "|", "^", "~", "<", "<=", ">",
    ">=", "==", "!=", "=", "= =", "=>", "+", "-", "*", "/", "//", "**", "%", "(", ")", "()", ",", ", ", ".", ":", "::",
    ":4", "[0]", "[", "]", "$", "@", "?", "#", "'", '"', "{", "}", ";", "\\", "\n", "\t", "\0", "\u00a0", "\u2212", "é",
    "\ud800", "jet", "jet0", "jet.pt", "muon0,", ".inv_mass", "constituents", "_", "__", "a", "e", "e9", "1", "0", "00",
    "1.", ".5", "1e", "1e400", "9" * 20, "GeV", "lambda", "if", "None", "inf", "nan", "float32(", "TMath::", "std::",
    "Sum$(", "Max$(", "Length$", "Jet_pt[0]", "pow(", " ", "  ", *(f"{name}(" for name in FUNCTIONS),
)  # fmt: skip
EVENTS = 16


def scribble(generator: random.Random) -> str:
    """Words in any order."""
    joint = generator.choice(["", " "])
    return joint.join(generator.choices(WORDS, k=generator.randint(0, 30)))


def noise(generator: random.Random) -> str:
    """Any characters of Unicode, most of them the language's own."""
    own = "abjet01.,:()<>=!&|+-*/%^[] \n"
    size = generator.randint(0, 60)
    return "".join(
        generator.choice(own) if generator.random() < 0.9 else chr(generator.randrange(0x110000)) for _ in range(size)
    )


def grow_number(generator: random.Random, depth: int) -> str:
    """A number by the grammar."""
    if depth <= 0 or generator.random() < 0.2:
        return generator.choice(
            ["met", "n", "jet.pt", "jet.eta", "muon.pt", "jet:4.pt", "jet0,jet1.delta_r", "jet0,jet1.mine", "veto", "2",
             "-0.5", "1e-3", "0"]
        )  # fmt: skip
    left, right = grow_number(generator, depth - 1), grow_number(generator, depth - 1)
    condition = grow_condition(generator, depth - 1)
    operator = generator.choice(["+", "-", " - ", "*", " / ", "%", "**", "^"])
    return generator.choice(
        [f"{left}{operator}{right}", f"({left})", f"-{left}", f"min({left},{right})", f"max({left})", f"sum({left})",
         f"count({condition})", f"where({condition}, {left}, {right})", f"abs({left})", f"sqrt({left})",
         f"log({left})", f"Sum$({left})", f"Max$({left})", f"pow({left}, {right})", f"float32({left})"]
    )  # fmt: skip


def grow_condition(generator: random.Random, depth: int) -> str:
    """A condition by the grammar."""
    if depth <= 0 or generator.random() < 0.2:
        words = generator.choices(["<", " <= ", ">", " >= ", "==", " != "], k=generator.choice([1, 1, 2, 3]))
        return grow_number(generator, depth - 1) + "".join(
            f"{word}{grow_number(generator, depth - 1)}" for word in words
        )
    left, right = grow_condition(generator, depth - 1), grow_condition(generator, depth - 1)
    return generator.choice(
        [f"{left} and {right}", f"{left} or {right}", f"{left} && {right}", f"{left} || {right}", f"not {left}",
         f"!({left})", f"({left})", f"({left} [any])", f"({left} [all])", f"(veto {left})", f"veto {left} [any]"]
    )  # fmt: skip


def grow(generator: random.Random) -> str:
    """An expression by the grammar."""
    depth = generator.randint(0, 5)
    return grow_number(generator, depth) if generator.random() < 0.3 else grow_condition(generator, depth)


def mutate(generator: random.Random) -> str:
    """A valid cut with parts taken out, doubled, swapped or replaced."""
    text = generator.choice(CORPUS) if generator.random() < 0.5 else grow(generator)
    for _ in range(generator.randint(1, 4)):
        a, b = sorted(generator.choices(range(len(text) + 1), k=2))
        b = min(b, a + 12)
        piece = generator.choice(
            ["", text[a:b] * 2, generator.choice(WORDS), generator.choice(CORPUS)[a:b], text[a:b][::-1]]
        )
        text = text[:a] + piece + text[b:]
    return text


def repeat(generator: random.Random, longest: int) -> str:
    """A few words again and again, up to the longest text: what is quadratic shows here."""
    unit = "".join(generator.choices([*WORDS, *CORPUS], k=generator.randint(1, 3))) or " "
    start, end = (
        generator.choice(["", "max(", "(", "a", "Jet_pt[", "veto "]),
        generator.choice(["", ")", ".pt > 1", "a", "]"]),
    )
    return f"{start}{unit * (longest // len(unit))}"[: longest - len(end)] + end


@dataclass
class Report:
    """What happened.

    Attributes:
        kinds: inputs by how they were made.
        read: inputs that were read, in either dialect.
        computed: those that were also computed on events.
        slowest: seconds, and the input.
        failures: what went wrong, by input.
    """

    kinds: Counter[str] = field(default_factory=Counter)
    read: int = 0
    computed: int = 0
    slowest: tuple[float, str] = (0.0, "")
    failures: dict[str, str] = field(default_factory=dict)


def columns(node: Node) -> dict[str, object]:
    """Events for an expression, jagged where an observable is of a collection; every event has as many jets."""
    generator = np.random.default_rng(1)
    counts = generator.poisson(1.5, EVENTS)
    found: dict[str, object] = {}
    for name in names(node):
        observable = read_observable(name)
        if observable is not None and any(part.indexed()[1] is None for part in observable.objects):
            found[name] = ak.unflatten(generator.normal(0, 50, counts.sum()), counts)
        else:
            found[name] = np.where(generator.random(EVENTS) < 0.2, np.nan, generator.normal(0, 50, EVENTS))
    return found


def check(text: str, dialect: Dialect, report: Report) -> None:
    """Read, write back and compute one input.

    Raises:
        AssertionError: if the language breaks a promise.
    """
    try:
        node = parse(text, dialect=dialect)
    except ExpressionError as error:
        if not 0 <= error.position <= len(text) or len(str(error).split("\n")) != 3 or len(error.reason) > 400:
            raise AssertionError(f"unhelpful: {error!r}") from error
        return
    report.read += 1
    if parse(render(node)) != node:
        raise AssertionError(f"comes back as another tree: {render(node)}")
    if len(text) > 500:
        return
    try:
        result = evaluate(node, columns(node), EVENTS)
    except InputError as error:
        if "\n" in str(error):
            raise AssertionError(f"more than one line: {error!r}") from error
        return
    report.computed += 1
    if result.shape != (EVENTS,):
        raise AssertionError(f"gives the shape {result.shape}")


def fuzz(seconds: float, seed: int, longest: int) -> Report:
    """Run until the time is over."""
    generator = random.Random(seed)
    report = Report()
    makers: dict[str, Callable[[random.Random], str]] = {
        "scribbled": scribble, "noise": noise, "grown": grow, "mutated": mutate,
        "repeated": lambda generator: repeat(generator, generator.choice([200, 2_000, longest])),
    }  # fmt: skip
    chosen, often = list(makers), [4, 4, 4, 6, 1]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        kind = generator.choices(chosen, often)[0]
        text = makers[kind](generator)
        report.kinds[kind] += 1
        for dialect in get_args(Dialect):
            started = time.process_time()
            try:
                tokenize(text.replace("\n", " "), dialect=dialect)
            except ExpressionError:
                pass
            except Exception as error:  # noqa: BLE001  (the search is for exceptions of any kind)
                report.failures[text] = f"{dialect}: {type(error).__name__}: {error}"
            try:
                check(text, dialect, report)
            except Exception as error:  # noqa: BLE001
                report.failures[text] = f"{dialect}: {type(error).__name__}: {error}"
            report.slowest = max(report.slowest, (time.process_time() - started, f"{dialect}: {text}"))
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--longest", type=int, default=10_000, help="characters of repeated inputs")
    options = parser.parse_args()
    report = fuzz(options.seconds, options.seed, options.longest)
    total = report.kinds.total()
    made = ", ".join(f"{count} {kind}" for kind, count in report.kinds.items())
    print(f"{total} inputs ({made}) in {options.seconds:g} s, {total / options.seconds:.0f} a second")
    print(f"{report.read} read, {report.computed} of them computed; the others refused in words")
    print(
        f"slowest: {report.slowest[0] * 1e3:.0f} ms, {report.slowest[1][:100]!r} ({len(report.slowest[1])} characters)"
    )
    for text, failure in list(report.failures.items())[:20]:
        print(f"FAILED: {text[:200]!r}\n    {failure[:400]}")
    print(f"{len(report.failures)} failures")
    sys.exit(1 if report.failures or report.slowest[0] > 1 else 0)


if __name__ == "__main__":
    main()
