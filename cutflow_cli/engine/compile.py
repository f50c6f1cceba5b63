"""The compiler of numerical kernels, and where it keeps what it compiled."""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

_PACKAGE = Path(__file__).parent.parent


#: Held while a setting of numba's is ours: another thread would take it for the user's, or none for the current folder.
_WRAPPING = threading.Lock()


def _cache_folder() -> Path:
    """Choose where compiled code is kept: beside the package if that is writable, else privately under $TMPDIR.

    Numba would fall back to the home directory, which batch jobs may not have. A folder that another user could write
    to is not used, since cached code is executed. Numba looks for changes in the file of a kernel alone, but what it
    compiled holds what that file imported, so each state of the sources has a folder of its own.
    """
    sources = sorted((*_PACKAGE.glob("engine/*.py"), *_PACKAGE.glob("models/**/*.py")))
    state = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]
    if os.access(_PACKAGE, os.W_OK):
        return _PACKAGE / "__pycache__" / f"numba-{state}"
    folder = Path(tempfile.gettempdir()) / f"cutflow-numba-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if status.st_uid != os.getuid() or status.st_mode & 0o022 or folder.is_symlink():
        folder = Path(tempfile.mkdtemp(prefix="cutflow-numba-"))
    return folder / state


def jit(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile without fast-math, so that results do not depend on the processor; other threads run meanwhile.

    Where NUMBA_CACHE_DIR is set, that is where compiled code is kept.
    """
    config: Any = numba.config
    with _WRAPPING:
        before = config.CACHE_DIR
        if not before:
            config.CACHE_DIR = str(_cache_folder())  # read when a function is wrapped, and not ours to keep
        try:
            compiled: Callable[..., Any] = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
        finally:
            config.CACHE_DIR = before
    return compiled
