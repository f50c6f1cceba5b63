"""Where compiled kernels are kept: never in the home directory, never where others can write."""

import os
from pathlib import Path

import pytest

CODE = """
import os
granted = os.access
os.access = lambda path, mode, **more: False if mode == os.W_OK else granted(path, mode, **more)
import cutflow_cli.engine.compile
print(os.environ.get("NUMBA_CACHE_DIR", ""))
"""


def cache_directory(run_python, code=CODE, **environment):
    done = run_python(code, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_package_that_is_not_writable_uses_a_private_folder_under_tmpdir(run_python, tmp_path):
    found = Path(cache_directory(run_python, TMPDIR=str(tmp_path)))
    assert found == tmp_path / f"cutflow-numba-{os.getuid()}"
    assert found.stat().st_mode & 0o777 == 0o700
    assert cache_directory(run_python, TMPDIR=str(tmp_path)) == str(found)  # and finds it again


@pytest.mark.parametrize("spoil", ["writable", "link"])
def test_a_folder_that_another_could_write_to_is_not_used(run_python, tmp_path, spoil):
    theirs = tmp_path / f"cutflow-numba-{os.getuid()}"
    if spoil == "writable":
        theirs.mkdir()
        theirs.chmod(0o777)
    else:
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        theirs.symlink_to(tmp_path / "elsewhere")
    found = Path(cache_directory(run_python, TMPDIR=str(tmp_path)))
    assert found != theirs
    assert found.parent == tmp_path
    assert found.stat().st_mode & 0o777 == 0o700


def test_what_the_user_says_is_left_alone(run_python, tmp_path):
    assert cache_directory(run_python, NUMBA_CACHE_DIR=str(tmp_path)) == str(tmp_path)
