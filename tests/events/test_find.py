"""Which files settings name: paths, patterns, lists and addresses, and never one file twice."""

import pytest

from cutflow_cli.errors import InputError, UsageError
from cutflow_cli.events.find import find_files


@pytest.fixture
def base(tmp_path):
    """A directory whose own name looks like a pattern, with files in it and below it."""
    base = tmp_path / "run[1]"
    for name in ("a.root", "b.root", ".hidden.root", "below/c.root", "below/deeper/d.root", "x#1.root"):
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        (base / name).touch()
    return base


def found(base, *patterns):
    return [str(file).removeprefix(f"{base}/") for file in find_files(patterns, base, "Z")]


def test_patterns_are_those_of_a_shell_each_sorted_in_their_order(base):
    assert found(base, "*.root") == ["a.root", "b.root", "x#1.root"]
    assert found(base, "below/*", "[ab].root") == ["below/c.root", "a.root", "b.root"]
    assert found(base, "**/?.root") == ["a.root", "b.root", "below/c.root", "below/deeper/d.root"]
    assert found(base, "below/**") == ["below/c.root", "below/deeper/d.root"]
    assert found(base, ".h*") == [".hidden.root"]
    assert found(base, f"{base}/below/c.root") == ["below/c.root"]
    assert found(base.parent, "run[1]/a.root") == ["run[1]/a.root"]  # there is such a file


def test_a_file_that_is_no_pattern_is_named_whether_it_is_there_or_not(base):
    assert found(base, "typo.root", "below") == ["typo.root", "below"]  # said by who opens it


def test_a_link_that_leads_nowhere_is_not_lost(base):
    (base / "below" / "e.root").symlink_to("gone.root")
    assert found(base, "below/*.root") == ["below/c.root", "below/e.root"]


def test_lists_name_files_patterns_and_addresses_beside_comments(base):
    lines = ["# all of 2018", "", "../a.root   # the first", "*.root\r", "https://host/x.root?token=*", "../x#1.root"]
    (base / "below" / "list.txt").write_text("\ufeff" + "\n".join(lines), encoding="utf-8")
    assert found(base, "@below/list.txt") == [
        "below/../a.root", "below/c.root", "https://host/x.root?token=*", "below/../x#1.root",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"# nothing\n\n", r"process 'Z': .*list.txt: names no file"),
        (b"@list.txt\n", r"list.txt, line 1: a list can't name another list \(@list.txt\)"),
        (b"PAR1\xff\x00", r"list.txt: is no list of files, a line for each"),
        (b"a.root\nq*.root", r"process 'Z': no file matches '.*q\*.root'"),
    ],
)
def test_lists_that_are_none(base, content, says):
    (base / "list.txt").write_bytes(content)
    with pytest.raises(InputError, match=says):
        found(base, "@list.txt")


def test_lists_that_are_not_there(base):
    with pytest.raises(InputError, match=r"lost.txt: no such list of files"):
        found(base, "@lost.txt")
    with pytest.raises(UsageError, match=r"https://host/list.txt: a list of files is read from a disk only"):
        found(base, "@https://host/list.txt")


def test_a_pattern_without_files(base):
    with pytest.raises(InputError, match=r"process 'Z': no file matches '.*/t\*.root'$"):
        found(base, "t*.root")
    with pytest.raises(InputError, match=r"no file matches .* \(it matches directories; files in them are '.*/bel\*/"):
        found(base, "bel*")


def test_addresses_are_taken_as_they_are_but_are_no_patterns(base):
    assert found(base, "root://host//store/a.root?x=[1]") == ["root://host//store/a.root?x=[1]"]
    with pytest.raises(UsageError, match=r"root://host//store/\*.root: patterns are not looked up on servers"):
        found(base, "root://host//store/*.root")


def test_one_file_under_two_names_is_refused(base):
    (base / "link.root").symlink_to("a.root")
    for patterns, says in (
        (("a.root", "?.root"), r"a.root is named twice; its events would count twice"),
        (("a.root", "below/../a.root"), r"below/../a.root and .*/a.root are the same file; its events would"),
        (("a.root", "link.root"), r"link.root and .*/a.root are the same file"),
        (("https://host/a.root", "https://host/a.root"), r"https://host/a.root is named twice"),
    ):
        with pytest.raises(UsageError, match=says):
            found(base, *patterns)
