"""Laws of conditions and numbers on objects, against a reading of the tree event by event in plain Python."""

import math
import random

import awkward as ak
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutflow_cli.errors import InputError
from cutflow_cli.selection.evaluate import evaluate
from cutflow_cli.selection.parse import parse
from cutflow_cli.selection.per_object import one_per_object, without_quantifiers
from cutflow_cli.selection.text import render
from cutflow_cli.selection.tree import (
    AllObjects,
    And,
    AnyObject,
    Arithmetic,
    Call,
    Compare,
    Name,
    Negative,
    Not,
    Number,
    Or,
    is_condition,
)

OF_EVENT = ("met.pt", "n", "muon0,muon1.inv_mass")
OF_JETS = ("jet.pt", "jet.eta")
OF_MUONS = ("muon:2.pt",)
#: Drawing trees is slow; the comparison with plain Python, which the others follow from, has more examples.
few = settings(max_examples=20)
PER_OBJECT = frozenset({*OF_JETS, *OF_MUONS})
COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")


@st.composite
def numbers(draw, depth, jagged):
    """Draw a number, with one value for each object or one for the event."""
    kinds = (
        ("leaf",) if depth == 0 else ("leaf", "negative", "arithmetic", "many", "where", *(["reduce"] * (not jagged)))
    )
    match draw(st.sampled_from(kinds)):
        case "negative":
            return Negative(draw(numbers(depth - 1, jagged)))
        case "arithmetic":
            sides = draw(mixed(depth - 1, jagged))
            return Arithmetic(draw(st.sampled_from("+-*")), *sides)
        case "many":
            return Call(draw(st.sampled_from(("min", "max"))), tuple(draw(mixed(depth - 1, jagged))))
        case "where":
            return Call("where", (draw(conditions(depth - 1, jagged)), *draw(mixed(depth - 1, jagged))))
        case "reduce":
            function = draw(st.sampled_from(("count", "sum", "min", "max")))
            inner = conditions if function == "count" else numbers
            return Call(function, (draw(inner(depth - 1, True)),))
    if jagged:
        return Name(draw(st.sampled_from((*OF_JETS, *OF_JETS, *OF_JETS, *OF_MUONS))))
    return draw(st.one_of(st.sampled_from(OF_EVENT).map(Name), st.integers(-2, 2).map(float).map(Number)))


@st.composite
def mixed(draw, depth, jagged):
    """Draw two numbers, one of them per object if they have to be."""
    sides = [draw(numbers(depth, jagged)), draw(numbers(depth, jagged and draw(st.booleans())))]
    return draw(st.permutations(sides))


@st.composite
def conditions(draw, depth, jagged):
    kinds = ("compare",) if depth == 0 else ("compare", "and", "or", "not", *(["any", "all"] * (not jagged)))
    match draw(st.sampled_from(kinds)):
        case "compare":
            operands = tuple(draw(mixed(max(depth - 1, 0), jagged)))
            if draw(st.booleans()):
                operands = (*operands, draw(numbers(0, jagged and draw(st.booleans()))))
            return Compare(operands, tuple(draw(st.sampled_from(COMPARISONS)) for _ in operands[1:]))
        case "not":
            return Not(draw(conditions(depth - 1, jagged)))
        case "and" | "or" as word:
            sides = (draw(conditions(depth - 1, jagged)), draw(conditions(depth - 1, jagged and draw(st.booleans()))))
            return And(sides) if word == "and" else Or(sides)
        case "any":
            return AnyObject(draw(conditions(depth - 1, True)))
        case _:
            return AllObjects(draw(conditions(depth - 1, draw(st.booleans()))))


of_jets = conditions(2, True)
cuts = st.one_of(conditions(3, True), conditions(3, False))
expressions = st.one_of(cuts, numbers(3, False))

values = st.sampled_from([0.0, -0.0, 1.0, -1.0, 2.5, 40.0, 1e300, math.nan, math.inf, -math.inf])


@st.composite
def events(draw):
    """Draw events: by name a number, or a list with one for each object; some without any."""
    jets, muons = draw(st.integers(0, 3)), draw(st.integers(0, 2))
    if draw(st.booleans()):
        muons = jets = min(jets, 2)
    counts = dict.fromkeys(OF_JETS, jets) | dict.fromkeys(OF_MUONS, muons)
    return {name: draw(st.lists(values, min_size=n, max_size=n)) for name, n in counts.items()} | {
        name: draw(values) for name in OF_EVENT
    }


tables = st.lists(events(), min_size=1, max_size=6)


def columns_of(table):
    columns = {name: np.array([event[name] for event in table], dtype=np.float64) for name in OF_EVENT}
    for name in PER_OBJECT:
        flat = np.array([value for event in table for value in event[name]], dtype=np.float64)
        columns[name] = ak.unflatten(flat, np.array([len(event[name]) for event in table], dtype=np.int64))
    return columns


class MismatchError(Exception):
    """What plain Python says to collections of different length, and to sums over what is not a collection."""


def plain(node, event):
    """The value of an expression for one event: a number, a truth, or a list with one for each object."""
    match node:
        case Number(value):
            return value
        case Name(name):
            return event[name]
        case Negative(operand):
            return each(lambda x: -x, plain(operand, event))
        case Arithmetic(operator, left, right):
            made = {"+": lambda x, y: x + y, "-": lambda x, y: x - y, "*": lambda x, y: x * y}[operator]
            return each(made, plain(left, event), plain(right, event))
        case Call("where", (condition, yes, no)):
            return each(lambda c, x, y: x if c else y, *(plain(part, event) for part in (condition, yes, no)))
        case Call(function, (operand,)):
            found = plain(operand, event)
            if not isinstance(found, list):
                raise MismatchError
            return reduced(function, found)
        case Call(function, operands):
            return each(lambda *x: extreme(function, x), *(plain(operand, event) for operand in operands))
        case Compare(operands, operators):
            sides = [plain(operand, event) for operand in operands]
            return each(lambda *x: all(map(compare, operators, x, x[1:])), *sides)
        case And(operands):
            return each(lambda *x: all(x), *(plain(operand, event) for operand in operands))
        case Or(operands):
            return each(lambda *x: any(x), *(plain(operand, event) for operand in operands))
        case Not(operand):
            return each(lambda x: not x, plain(operand, event))
        case AnyObject(operand):
            found = plain(operand, event)
            return any(found) if isinstance(found, list) else found
        case AllObjects(operand):
            return decided(plain(operand, event))
    raise AssertionError


def each(function, *sides):
    lengths = {len(side) for side in sides if isinstance(side, list)}
    if len(lengths) > 1:
        raise MismatchError
    if not lengths:
        return function(*sides)
    return [function(*(side[i] if isinstance(side, list) else side for side in sides)) for i in range(*lengths)]


def compare(operator, x, y):
    if math.isnan(x) or math.isnan(y):
        return False
    return {"<": x < y, "<=": x <= y, ">": x > y, ">=": x >= y, "==": x == y, "!=": x != y}[operator]


def extreme(function, found):
    if any(map(math.isnan, found)):
        return math.nan
    return min(found) if function == "min" else max(found)


def reduced(function, found):
    if function == "count":
        return float(sum(found))
    if function == "sum":
        total = 0.0
        for value in found:
            total += value
        return total
    return extreme(function, found) if found else math.nan


def decided(found):
    """What a condition means for the event if nothing is said: all objects, of which there must be some."""
    return bool(found) and all(found) if isinstance(found, list) else found


def expected(node, table):
    """The value of every event; MismatchError if one pairs what has no pairs."""
    return [decided(plain(node, event)) if is_condition(node) else plain(node, event) for event in table]


@given(expressions, tables)
def test_every_event_is_what_plain_python_makes_of_it(node, table):
    try:
        wanted = expected(node, table)
    except MismatchError:
        with pytest.raises(InputError, match="`"):
            evaluate(node, columns_of(table), len(table))
        return
    result = evaluate(node, columns_of(table), len(table))
    assert result.dtype == (np.bool_ if is_condition(node) else np.float64)
    np.testing.assert_array_equal(result, wanted)


CUTS = (
    "jet.pt > 0 and -3 < jet.eta < 41",
    "jet.pt > met.pt [any]",
    "veto -1 < jet.eta < 2.4 and jet.pt > n [any]",
    "n != jet.eta != met.pt [any]",
    "not jet.pt != met.pt",
    "count(jet.pt > met.pt or n < 0) >= n",
    "sum(where(jet.eta < n, jet.pt, met.pt)) + min(jet.pt) > max(jet.eta, 1)",
    "min(jet.pt) < met.pt or max(jet.eta) > n",
    "(muon:2.pt > n [any]) and jet.pt > -2 and met.pt > 0",
    "muon0,muon1.inv_mass > n or (veto jet.pt > met.pt [any])",
)


def random_event(generator):
    choices = [0.0, 1.0, -1.0, 2.5, 40.0, math.nan, math.inf, -math.inf]
    jets, muons = generator.randint(0, 3), generator.randint(0, 2)
    counts = dict.fromkeys(OF_JETS, jets) | dict.fromkeys(OF_MUONS, muons)
    found = {name: generator.choices(choices, k=n) for name, n in counts.items()}
    return found | {name: generator.choice(choices) for name in OF_EVENT}


@pytest.mark.parametrize("text", CUTS)
def test_cuts_as_people_write_them_are_what_plain_python_makes_of_them(text):
    generator = random.Random(3)
    table = [random_event(generator) for _ in range(400)]
    node = parse(text)
    wanted = expected(node, table)
    assert 12 < sum(wanted) < 388
    np.testing.assert_array_equal(evaluate(node, columns_of(table), len(table)), wanted)


def test_collections_of_as_many_objects_in_all_but_not_in_each_event_are_no_pair():
    table = [dict.fromkeys(OF_EVENT, 1.0) | {"jet.pt": [1.0] * n, "jet.eta": [1.0] * n, "muon:2.pt": [1.0] * (2 - n)}
             for n in (0, 2)]  # fmt: skip
    with pytest.raises(
        InputError, match=r"`jet.pt > muon:2.pt`: pairs collections .* \(0 and 2 objects in one event\)"
    ):
        evaluate(parse("jet.pt > muon:2.pt"), columns_of(table), 2)


@few
@given(numbers(2, True), tables)
def test_a_number_for_each_object_is_none_for_the_event(node, table):
    with pytest.raises(InputError, match=r"one number for each object|different length"):
        evaluate(node, columns_of(table), len(table))


@few
@given(expressions)
def test_what_is_rendered_parses_to_the_same_tree(node):
    assert parse(render(node)) == node


@few
@given(cuts, tables)
def test_veto_negates_and_all_is_what_is_meant_without_a_word(node, table):
    columns = columns_of(table)
    try:
        expected(node, table)
    except MismatchError:
        return
    text = render(node) if not isinstance(node, AnyObject | AllObjects | Not) else f"({render(node)})"

    def mask(cut):
        return evaluate(parse(cut), columns, len(table))

    np.testing.assert_array_equal(mask(f"veto {text}"), ~mask(text))
    np.testing.assert_array_equal(mask(f"veto {text} [any]"), ~mask(f"{text} [any]"))
    np.testing.assert_array_equal(mask(f"{text} [all]"), mask(text))


@few
@given(of_jets, tables)
def test_any_is_not_all_not_where_there_are_objects(node, table):
    table = [event | {"muon:2.pt": event["jet.pt"]} for event in table]
    columns = columns_of(table)
    some, none = (
        evaluate(part, columns, len(table)) for part in (AnyObject(node), AllObjects(Not(node)))
    )  # fmt: skip
    there = np.array([len(event["jet.pt"]) > 0 for event in table])
    np.testing.assert_array_equal(some[there], ~none[there])
    assert not some[~there].any()
    assert not none[~there].any()


@few
@given(of_jets, tables)
def test_counts_decide_any_and_all(node, table):
    table = [event | {"muon:2.pt": event["jet.pt"]} for event in table]
    columns = columns_of(table)
    held = evaluate(Call("count", (node,)), columns, len(table))
    jets = np.array([len(event["jet.pt"]) for event in table])
    np.testing.assert_array_equal(evaluate(AnyObject(node), columns, len(table)), held > 0)
    np.testing.assert_array_equal(evaluate(node, columns, len(table)), (held == jets) & (jets > 0))


@few
@given(
    st.lists(numbers(1, True), min_size=3, max_size=3),
    st.lists(st.sampled_from(COMPARISONS), min_size=2, max_size=2),
    tables,
)
def test_a_chain_is_its_links_for_each_object(operands, operators, table):
    table = [event | {"muon:2.pt": event["jet.pt"]} for event in table]
    columns = columns_of(table)
    chain = Compare(tuple(operands), tuple(operators))
    links = And(tuple(Compare(tuple(operands[i : i + 2]), (operators[i],)) for i in (0, 1)))
    for over in (AnyObject, AllObjects):
        np.testing.assert_array_equal(
            evaluate(over(chain), columns, len(table)), evaluate(over(links), columns, len(table))
        )


@few
@given(expressions, tables, st.data())
def test_the_result_does_not_depend_on_chunks(node, table, data):
    at = data.draw(st.integers(0, len(table)))
    columns = columns_of(table)
    parts = [({name: each[part] for name, each in columns.items()}, size) for part, size in
             ((slice(0, at), at), (slice(at, None), len(table) - at))]  # fmt: skip
    try:
        whole = evaluate(node, columns, len(table))
    except InputError:
        with pytest.raises(InputError):
            for chunk, size in parts:
                evaluate(node, chunk, size)
        return
    np.testing.assert_array_equal(whole, np.concatenate([evaluate(node, chunk, size) for chunk, size in parts]))


@few
@given(expressions, tables)
def test_what_has_one_value_per_object_is_known_without_events(node, table):
    try:
        found = [plain(node, event) for event in table]
    except MismatchError:
        return
    assert one_per_object(node, PER_OBJECT) == isinstance(found[0], list)
    bare = without_quantifiers(node, PER_OBJECT)
    columns = columns_of(table)
    np.testing.assert_array_equal(evaluate(bare, columns, len(table)), evaluate(node, columns, len(table)))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("jet.pt > muon:2.pt", "jet.pt > muon:2.pt"),
        ("jet.pt > 30 and muon:2.pt > 10 [any]", "jet.pt > 30.0 and muon:2.pt > 10.0"),
        ("met.pt > 1 and sum(jet.pt * muon:2.pt) > 3", "jet.pt * muon:2.pt"),
        ("sum(met.pt) > 3", "sum(met.pt)"),
        ("count(jet.pt > 1 [any]) > 3", "count(jet.pt > 1.0 [any])"),
        ("where(met.pt > 1, jet.pt, muon:2.pt) > 1", "where(met.pt > 1.0, jet.pt, muon:2.pt)"),
        ("max(jet.pt, jet.eta)", "max(jet.pt, jet.eta)"),
    ],
)
def test_what_pairs_no_objects_is_refused_with_the_part_that_does(text, names):
    table = [dict.fromkeys(OF_EVENT, 1.0) | {name: [1.0, 2.0] for name in OF_JETS} | {"muon:2.pt": [1.0]}]
    with pytest.raises(InputError) as caught:
        evaluate(parse(text), columns_of(table), 1)
    assert f"`{names}`".replace(".0", "") in str(caught.value).replace(".0", "")
    assert "\n" not in str(caught.value)
