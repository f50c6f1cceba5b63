"""The compiler of numerical kernels, and where it keeps what it compiled."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def _choose_cache() -> None:
    """Keep compiled code beside the package if that is writable, else in a private folder under $TMPDIR.

    Numba would fall back to the home directory, which batch jobs may not have. A folder that another user could write
    to is not used, since cached code is executed.
    """
    if "NUMBA_CACHE_DIR" in os.environ or os.access(Path(__file__).parent, os.W_OK):
        return
    folder = Path(tempfile.gettempdir()) / f"cutflow-numba-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if status.st_uid != os.getuid() or status.st_mode & 0o022 or folder.is_symlink():
        folder = Path(tempfile.mkdtemp(prefix="cutflow-numba-"))
    os.environ["NUMBA_CACHE_DIR"] = str(folder)


_choose_cache()

import numba  # noqa: E402  (reads NUMBA_CACHE_DIR when it is imported)

#: Compile without fast-math, so that results do not depend on the processor; other threads run meanwhile.
jit = numba.njit(cache=True, nogil=True, error_model="numpy")
