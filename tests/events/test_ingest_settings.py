"""Settings of ingest: two spellings of one thing, and every ambiguity refused by name."""

import pytest

from cutflow_cli.errors import InputError, UsageError
from cutflow_cli.events.process_settings import FeatureSettings
from cutflow_cli.events.settings_file import load_settings, validate
from cutflow_cli.events.splits import SplitFractions

TOML = """
luminosity = 139.0
seed = 7
split = {train = 0.5, validation = 0.25, test = 0.25}
spectators = ["event"]
[features]
m_jet = {unit = "GeV", label = "$m_J$"}
ratio = "pt / m_jet"
[processes.WW]
role = "signal"
files = ["ww/*.root", "more.parquet"]
tree = "Events"
cross_section = 0.1345
k_factor = 1.2
weight = "genWeight"
sum_of_weights = 1.0e6
[processes.QCD]
role = "background"
files = "qcd.root"
rows = {process = "QCD"}
cross_section = 17444
"""

YAML = """
luminosity: 139.0
seed: 7
split: [0.5, 0.25, 0.25]
spectators: [event]
features:
  m_jet: {unit: GeV, label: $m_J$}
  ratio: pt / m_jet
processes:
  WW: &ww
    role: signal
    files: [ww/*.root, more.parquet]
    tree: Events
    cross_section: 0.1345
    k_factor: 1.2
    weight: genWeight
    sum_of_weights: 1e6
  QCD: {role: background, files: qcd.root, rows: {process: QCD}, cross_section: 17444}
"""


def processes(**changes):
    """A signal and a background; settings of the signal can be changed."""
    signal = {"role": "signal", "files": "s.root", **changes}
    return {"features": ["x"], "processes": {"s": signal, "b": {"role": "background", "files": "b.root"}}}


def test_toml_and_yaml_are_two_spellings_of_one_thing(tmp_path):
    (tmp_path / "a.toml").write_text(TOML)
    (tmp_path / "a.yaml").write_text(YAML)
    settings = load_settings(tmp_path / "a.toml")
    assert settings == load_settings(tmp_path / "a.yaml")
    assert settings.features == {
        "m_jet": FeatureSettings(unit="GeV", label="$m_J$"),
        "ratio": FeatureSettings(expression="pt / m_jet"),
    }
    assert settings.split == SplitFractions(0.5, 0.25, 0.25)
    assert settings.processes["WW"].files == ("ww/*.root", "more.parquet")
    assert settings.processes["QCD"].rows == {"process": "QCD"}
    changed = load_settings(tmp_path / "a.toml", {"luminosity": 300, "split": "0.6,0,0.4"})
    assert (changed.luminosity, changed.split, changed.seed) == (300, SplitFractions(0.6, 0.0, 0.4), 7)


def test_features_as_a_list():
    settings = validate({**processes(), "features": ["x", "jet0.pt", "r = x / y", "c=x==1"]})
    expressions = {name: feature.expression for name, feature in settings.features.items()}
    assert expressions == {"x": None, "jet0.pt": None, "r": "x / y", "c": "x==1"}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"crosssection": 1}, "processes.s.crosssection: no such setting; did you mean cross_section"),
        ({"role": "sig"}, "processes.s.role: must be 'signal' or 'background'; did you mean signal? (got 'sig')"),
        ({"cross_section": "much"}, "processes.s.cross_section: must be a number"),
        ({"cross_section": 0}, "processes.s.cross_section: must be greater than 0 (got 0)"),
        ({"cross_section": True}, "processes.s.cross_section: is true, a number is needed"),
        ({"cross_section": float("inf")}, "processes.s.cross_section: must be a finite number"),
        ({"cross_section": 1}, "there is no luminosity (fb^-1)"),
        ({"cross_section": 1, "filter_efficiency": 1.5}, "filter_efficiency: must be less than or equal to 1"),
        ({"files": []}, "processes.s.files: "),
        ({"rows": {"process": ["a"]}}, "processes.s.rows"),
        ({"weight": "w"}, "set cross_section (pb), or weights_are_yields = true"),
        ({"weights_are_yields": True}, "weights_are_yields needs weight"),
        ({"weights_are_yields": True, "weight": "w", "cross_section": 1}, "together with cross_section"),
        ({"weights_are_yields": True, "weight": "w", "sum_of_weights": 1}, "together with sum_of_weights"),
        ({"weights_are_yields": True, "weight": "w", "k_factor": 1}, "together with k_factor"),
        ({"sum_of_weights": 10}, "sum_of_weights is of no use without cross_section"),
        ({"sum_of_weights": -10}, "sum_of_weights: must be greater than 0"),
        ({"filter_efficiency": 0.5}, "filter_efficiency is of no use without cross_section"),
        (
            {"cross_section": 1, "sum_of_weights": 5, "generated_events": 6},
            "sum_of_weights can't differ from generated_events (6)",
        ),
        ({"role": "background", "hypothesis": 1.5}, "a background has no hypothesis"),
        ({"role": "background"}, "processes: no signal; a selection needs signal and background"),
        ({"weights_are_yields": True, "weight": "w"}, "processes.b has no cross_section (pb), other processes are"),
    ],
)  # fmt: skip
def test_impossible_processes(changes, says):
    with pytest.raises(UsageError) as caught:
        validate(processes(**changes), "a.toml: ")
    assert str(caught.value).startswith("a.toml: ")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"feature": ["x"]}, "feature: no such setting; did you mean features"),
        ({"features": ["y", {"name": "x"}]}, "{'name': 'x'} in a list: name features there; with unit or label, write"),
        ({"features": {"x": {"units": "GeV"}}}, "features.x.units: no such setting; did you mean unit"),
        ({"features": {"x": {"dtype": "int"}}}, "features.x.dtype: must be 'float32' or 'float64'"),
        ({"features": []}, "features: "),
        ({"features": ["x", "x"]}, "feature 'x' is given twice"),
        ({"features": ["x", "x=y"]}, "feature 'x' is given twice"),
        ({"features": ["x/y"]}, "give the expression a name, such as 'ratio=x/y'"),
        ({"features": ["weight"]}, "'weight' is a column of the events file itself"),
        ({"features": ["a b=x"]}, "feature 'a b=x': 'a b' is no name; one has letters, digits, underscores and dots"),
        ({"spectators": [""]}, "spectators: an empty name, of no column"),
        ({"split_by": ["event", " "]}, "split_by: an empty name, of no column"),
        ({"keep_quantiles": [0.1]}, "keep_quantiles: 0.1: give two shares in increasing order, such as 0.05,0.95"),
        ({"keep_quantiles": ["a", "b"]}, "keep_quantiles: a,b: give two shares"),
        ({"keep_quantiles": [0.9, 0.1]}, "keep_quantiles: 0.9,0.1: give two shares"),
        ({"keep_quantiles": [0, 1.1]}, "keep_quantiles: 0,1.1: give two shares"),
        ({"keep_quantiles": True}, "keep_quantiles: True: give two shares"),
        ({"variations": {"a-b": "w"}}, "variations.a-b: 'a-b' is no name; one has letters, digits and underscores"),
        ({"observables_from": "x.py"}, "observables_from: only the command line names code that is executed"),
        ({"spectators": ["label"]}, "'label' is a column of the events file itself"),
        ({"spectators": ["x"]}, "'x' is a feature and a spectator"),
        ({"spectators": ["e", "e"]}, "'e' is named twice"),
        ({"luminosity": -1}, "luminosity: must be greater than 0 (got -1)"),
        ({"luminosity": 139}, "processes.s has no cross_section (pb) to multiply it with"),
        ({"split": {"train": 0.5, "valid": 0.5}}, "no split 'valid'; did you mean validation"),
        ({"split": {"train": 0.5, "test": 0.6}}, "must sum to 1"),
        ({"split": "half"}, "give three numbers"),
        ({"split": {"train": "0.5", "test": 0.5}}, "split: train is '0.5', a number is needed"),
        ({"seed": -1}, "seed: must be greater than or equal to 0"),
    ],
)
def test_impossible_settings(changes, says):
    with pytest.raises(UsageError) as caught:
        validate({**processes(), **changes}, "a.toml: ")
    assert says in str(caught.value)
    assert str(caught.value).startswith("a.toml: ")


def test_conditions_and_variations_of_options_are_added_to_those_of_the_file(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text(TOML.replace("seed = 7", 'preselection = "x > 1"\nvariations = {up = "2 * genWeight"}'))
    settings = load_settings(
        path, None, {"preselection": ["y < 2", "z > 0"], "variations": {"down": "0.5 * genWeight"}}
    )
    assert settings.preselection == ("x > 1", "y < 2", "z > 0")
    assert settings.variation_names == ("up", "down")
    assert load_settings(path, None, {"preselection": [], "variations": {}}) == load_settings(path)
    with pytest.raises(UsageError, match=r"a.toml: variations.up is there already; give the other one another name"):
        load_settings(path, None, {"variations": {"up": "w"}})
    for wrong in ("preselection = 3", "variations = 3"):
        path.write_text(TOML.replace("seed = 7", wrong))
        with pytest.raises(UsageError, match=wrong.split()[0]):
            load_settings(path, None, {"preselection": ["y < 2"], "variations": {"down": "w"}})


def test_formats_are_named_in_any_case():
    assert validate(processes(format="nanoaod")).processes["s"].format == "NanoAOD"
    with pytest.raises(UsageError, match=r"processes.s.format: must be 'Delphes', 'NanoAOD'"):
        validate(processes(format="root"))


def test_hypotheses_belong_to_every_signal_or_to_none():
    raw = processes(hypothesis=1.5)
    raw["processes"]["s2"] = {"role": "signal", "files": "c.root"}
    with pytest.raises(UsageError, match=r"processes.s2: other signals have a hypothesis, this one has none"):
        validate(raw)
    raw["processes"]["s2"]["hypothesis"] = "gen_mass"
    assert validate(raw).processes["s2"].hypothesis == "gen_mass"


@pytest.mark.parametrize(
    ("name", "text", "kind", "says"),
    [
        ("a.toml", "x = [1,\ny", UsageError, "not valid TOML: .*line 2"),
        ("a.toml", "[processes.s]\n[processes.s]", UsageError, "not valid TOML: .*line 2"),
        ("a.yaml", "a: 1\nb: 2\na: 3\n", UsageError, r"not valid YAML: key 'a' comes twice \(at line 3, column 1\)"),
        ("a.yaml", "a: [1\nb", UsageError, "not valid YAML: .*line 2"),
        ("a.yaml", "a: !!python/object:os.system {}", UsageError, "not valid YAML: could not determine a constructor"),
        ("a.yml", "- 1\n", UsageError, "must hold settings by name"),
        ("a.json", "{}", UsageError, r"a settings file's name ends in .toml, .yaml or .yml"),
        ("a.toml", b"root\xff\xfe", InputError, r"no settings file.*--signal and --background"),
    ],
)
def test_files_that_are_no_settings(tmp_path, name, text, kind, says):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(kind, match=rf"{name}: {says}"):
        load_settings(path)


def test_a_missing_file_is_answered_with_near_ones(tmp_path):
    (tmp_path / "samples.toml").write_text(TOML)
    with pytest.raises(InputError, match=r"sample.toml: no such file; did you mean samples.toml"):
        load_settings(tmp_path / "sample.toml")
