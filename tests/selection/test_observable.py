"""Names of observables: what they consist of, and what is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutflow_cli.selection.observable import ObservableName, PhysicsObject, is_object, is_of_several, read_observable

jet0 = PhysicsObject("jet0")


@pytest.mark.parametrize(
    ("text", "objects", "quantity"),
    [
        ("jet0.pt", (jet0,), "pt"),
        ("Jet.PT", (PhysicsObject("Jet"),), "PT"),
        ("jet:4.eta", (PhysicsObject("jet", True, 4),), "eta"),
        ("jet:.eta", (PhysicsObject("jet", True),), "eta"),
        ("jet1:3.eta", (PhysicsObject("jet1", True, 3),), "eta"),
        (
            "fatjet0.constituents:100.pt",
            (PhysicsObject("fatjet0", sub=PhysicsObject("constituents", True, 100)),),
            "pt",
        ),
        ("muon0,muon1.inv_mass", (PhysicsObject("muon0"), PhysicsObject("muon1")), "inv_mass"),
        (
            "jet:4,missinget0.min_delta_phi",
            (PhysicsObject("jet", True, 4), PhysicsObject("missinget0")),
            "min_delta_phi",
        ),
    ],
)
def test_names_are_taken_apart(text, objects, quantity):
    assert read_observable(text) == ObservableName(objects, quantity)
    assert str(read_observable(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "pt", ".pt", "jet0.", "jet0..pt", "jet0,.pt", ",jet0.pt", "jet0.pt,", "jet0.0", "0jet.pt", "jet4:pt", "jet:4",
     "jet:4:5.pt", "jet :4.pt", "jet0. pt", "jet0.p t", "jét.pt", "jet٣.pt", "jet:٣.pt", "jet:1234567890.pt",
     "a." * 20 + "pt", "jet0.pt\n"],
)  # fmt: skip
def test_other_texts_are_no_names(text):
    assert read_observable(text) is None


@pytest.mark.parametrize(
    ("word", "name", "index"),
    [
        ("jet", "jet", None),
        ("jet0", "jet", 0),
        ("jet12", "jet", 12),
        ("jet007", "jet", 7),
        ("FatJetAK8", "FatJetAK", 8),
        ("a1b2", "a1b", 2),
        ("jet1b", "jet1b", None),
        ("jet" + "1" * 5_000, "jet" + "1" * 5_000, None),
    ],
)
def test_the_digits_at_the_end_are_an_index(word, name, index):
    assert PhysicsObject(word).indexed() == (name, index)


def test_what_a_comma_joins_in_the_arguments_of_a_function():
    assert is_object("jet0")
    assert is_object("fatjet0.Constituents:9")
    assert not is_object("jet0.pt")
    assert is_of_several("jet1.delta_r")
    assert is_of_several("fatjet0.constituents.DeltaR")
    assert not is_of_several("jet1.pt")
    assert not is_of_several("mt")


words = st.from_regex(r"[A-Za-z_][A-Za-z_0-9]{0,6}", fullmatch=True)
slices = st.one_of(st.just((False, None)), st.tuples(st.just(True), st.one_of(st.none(), st.integers(0, 999_999_999))))
single = st.builds(lambda word, colon: PhysicsObject(word, *colon), words, slices)
nested = st.builds(lambda word, colon, sub: PhysicsObject(word, *colon, sub), words, slices, single)


@given(st.lists(st.one_of(single, nested), min_size=1, max_size=3), words)
def test_what_is_written_is_read_again(objects, quantity):
    name = ObservableName(tuple(objects), quantity)
    assert read_observable(str(name)) == name
