"""Where compiled kernels are kept: never in the home directory, never where others can write, never a stale one."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cutflow_cli.engine import compile

CODE = """
import os
granted = os.access
if os.environ.get("READ_ONLY"):
    os.access = lambda path, mode, **more: False if mode == os.W_OK else granted(path, mode, **more)
import numba
from cutflow_cli.engine import compile, randomness
before = numba.config.CACHE_DIR
print(compile._cache_folder())
randomness._compiled_shuffle()
assert numba.config.CACHE_DIR == before  # a notebook's own kernels are kept where they were
"""


def cache_directory(run_python, **environment):
    done = run_python(CODE, **environment)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


def test_a_writable_package_keeps_it_beside_its_bytecode(run_python, root):
    folder = cache_directory(run_python)
    assert folder.parent == root / "cutflow_cli" / "__pycache__"
    assert folder == cache_directory(run_python)  # the same sources, the same folder


def test_a_package_that_is_not_writable_uses_a_private_folder_under_tmpdir(run_python, tmp_path):
    found = cache_directory(run_python, TMPDIR=str(tmp_path), READ_ONLY="1")
    assert found.parent == tmp_path / f"cutflow-numba-{os.getuid()}"
    assert found.parent.stat().st_mode & 0o777 == 0o700
    assert cache_directory(run_python, TMPDIR=str(tmp_path), READ_ONLY="1") == found  # and finds it again


@pytest.mark.parametrize("spoil", ["writable", "link"])
def test_a_folder_that_another_could_write_to_is_not_used(run_python, tmp_path, spoil):
    theirs = tmp_path / f"cutflow-numba-{os.getuid()}"
    if spoil == "writable":
        theirs.mkdir()
        theirs.chmod(0o777)
    else:
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        theirs.symlink_to(tmp_path / "elsewhere")
    found = cache_directory(run_python, TMPDIR=str(tmp_path), READ_ONLY="1")
    assert found.parent != theirs
    assert found.parent.parent == tmp_path
    assert found.parent.stat().st_mode & 0o777 == 0o700


def test_what_the_user_says_is_left_alone(run_python, tmp_path):
    code = """
import numba
from cutflow_cli.engine.compile import jit
from cutflow_cli.engine.randomness import epoch_order
epoch_order(0, 0, 0, 4)
print(numba.config.CACHE_DIR)
"""
    done = run_python(code, NUMBA_CACHE_DIR=str(tmp_path))
    assert done.stdout.strip() == str(tmp_path), done.stderr
    assert list(tmp_path.rglob("*shuffle*.nbi"))


def test_other_sources_get_another_folder(monkeypatch, tmp_path):
    from cutflow_cli.engine import compile as compiler

    (tmp_path / "models" / "lcf").mkdir(parents=True)
    rules = tmp_path / "models" / "lcf" / "combine.py"
    monkeypatch.setattr(compiler, "_PACKAGE", tmp_path)
    found = []
    for text in ("a = 1", "a = 2", "a = 1"):
        rules.write_text(text)
        found.append(compiler._cache_folder())
    assert found[0] == found[2] != found[1]


def test_threads_that_wrap_functions_at_the_same_time_keep_them_where_one_does(monkeypatch):
    numba = pytest.importorskip("numba")
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    folder, wrapped, wait = Path(compile._cache_folder()), numba.njit, threading.Barrier(8)

    def slow(**options):
        def wrap(function):
            time.sleep(0.005)  # the others come meanwhile
            return wrapped(**options)(function)

        return wrap

    monkeypatch.setattr(numba, "njit", slow)

    def one(number):
        def plain(x):
            return x + number

        wait.wait()
        return Path(compile.jit(plain).stats.cache_path)

    with ThreadPoolExecutor(max_workers=8) as pool:
        paths = list(pool.map(one, range(8)))
    assert all(folder in path.parents for path in paths)
    assert numba.config.CACHE_DIR == ""
