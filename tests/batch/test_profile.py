"""Site profiles: found by name or file, checked, and never guessed."""

import pytest

from cutflow_cli.batch.profile import Profile, read_profile
from cutflow_cli.errors import UsageError


@pytest.fixture
def profiles(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    path = tmp_path / "cutflow" / "profiles.toml"
    path.parent.mkdir()
    path.write_text(
        '[lxplus]\nsystem = "htcondor"\nflavour = "workday"\n'
        '[slurm]\npartition = "short"\ntime = "2h"\n[wrong]\npartitoin = "x"\n[mixed]\nflavour = "workday"\n'
    )
    return path


def test_by_name_by_default_and_by_file(profiles, tmp_path):
    assert read_profile("lxplus", "htcondor").flavour == "workday"
    found = read_profile(None, "slurm", memory=4000, time=None)
    assert (found.partition, found.time, found.memory) == ("short", 7200, 4000)
    assert read_profile(None, "htcondor") == Profile(), "none is called htcondor"
    own = tmp_path / "own.toml"
    own.write_text("cpus = 4\n")
    assert read_profile(str(own), "slurm").cpus == 4


@pytest.mark.parametrize(
    ("name", "system", "said"),
    [
        ("lxplsu", "htcondor", "no profile 'lxplsu'; did you mean lxplus"),
        ("lxplus", "slurm", "is a profile for htcondor, not for slurm"),
        ("wrong", "slurm", "wrong: partitoin: no such setting; did you mean partition"),
        ("mixed", "slurm", "mixed: flavour: slurm has no use for it"),
    ],
)
def test_one_line_says_what_is_wrong(profiles, name, system, said):
    with pytest.raises(UsageError) as error:
        read_profile(name, system)
    assert said in str(error.value)


def test_without_any_place_for_settings(monkeypatch):
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    assert read_profile(None, "slurm") == Profile()
    with pytest.raises(UsageError, match="there is no"):
        read_profile("lxplus", "htcondor")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"time": "soon"}, "is no duration"),
        ({"python": "py thon"}, "has spaces"),
        ({"python": "python3"}, "is no absolute path"),
        ({"image": "/cvmfs/x"}, "say with python"),
        ({"image": "/cvmfs/x", "python": "/usr/bin/python3", "setup": "x"}, "outside of the image"),
        ({"time": "2h", "flavour": "workday"}, "leave one of them out"),
        ({"environment": {"A": "it's"}}, "values no quotes"),
    ],
)
def test_settings_that_can_not_be(settings, said):
    with pytest.raises(ValueError, match=said):
        Profile(**settings)


@pytest.mark.parametrize(("file", "system"), [("htcondor/lxplus.toml", "htcondor"), ("slurm/cluster.toml", "slurm")])
def test_the_examples_are_valid(root, file, system):
    assert read_profile(str(root / "examples" / file), system).system == system
