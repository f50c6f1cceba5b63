"""Where a file is: on a disk, or on a server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast
from urllib.parse import urlsplit

from cutflow_cli.artifacts import file_digest, stream_digest
from cutflow_cli.errors import InputError, naming
from cutflow_cli.events.readers.remote import attempt, filesystem, is_remote, judge


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """A file, by its path or its address. Equal if written alike.

    Attributes:
        text: as the user named it: a path, or an address such as `root://server//path/file.root`.
    """

    text: str

    @classmethod
    def of(cls, file: Location | Path | str) -> Location:
        """Make a location of whatever names a file."""
        return file if isinstance(file, Location) else cls(str(file))

    def __str__(self) -> str:
        return self.text

    @property
    def is_remote(self) -> bool:
        """Whether the file is on a server."""
        return is_remote(self.text)

    @property
    def shown(self) -> str:
        """The path or address as it may be stored and passed on: what follows a question mark may be a password."""
        return self.text.partition("?")[0] if self.is_remote else self.text

    @property
    def path(self) -> Path:
        """The path of a file on a disk.

        Raises:
            InputError: if it is on a server.
        """
        if self.is_remote:
            msg = f"{self}: only ROOT and Parquet files are read over the network; copy this one here first"
            raise InputError(msg)
        return Path(self.text)

    @property
    def name(self) -> str:
        """The last part of the path or address, without a query."""
        return self._pure.name

    @property
    def suffix(self) -> str:
        """What the name ends in, with its dot."""
        return self._pure.suffix

    @property
    def _pure(self) -> PurePosixPath | Path:
        return PurePosixPath(urlsplit(self.text).path) if self.is_remote else Path(self.text)

    def size(self) -> int:
        """Return the size in bytes.

        Raises:
            InputError: if a server has no such file.
            TemporaryError: if a server does not answer.
        """
        if not self.is_remote:
            return Path(self.text).stat().st_size
        return attempt(self._remote_size, self.text)

    def _remote_size(self) -> int:
        system, path = filesystem(self.text)
        try:
            size = system.info(path)["size"]
        except FileNotFoundError:  # which fsspec raises for any failure
            system.cat_file(path, 0, 1)
            msg = "the server does not say how large it is"
            raise ConnectionError(msg) from None
        if size is None:
            msg = f"{self}: the server does not say how large it is; copy it here first"
            raise InputError(msg)
        return int(size)

    def head(self, count: int) -> bytes:
        """Return the first bytes, at most `count`.

        Raises:
            InputError: if a server has no such file, or gives whole files only.
            TemporaryError: if a server does not answer.
        """
        if not self.is_remote:
            with naming(self.text), Path(self.text).open("rb") as stream:
                return stream.read(count)
        system, path = filesystem(self.text)
        found: bytes = attempt(lambda: system.cat_file(path, 0, count), self.text)
        if len(found) > count:
            msg = f"{self}: the server gives whole files only, not parts of them; copy it here first"
            raise InputError(msg)
        return found

    def open(self) -> BinaryIO:
        """Open the file for reading; the caller closes it.

        Raises:
            InputError: if a server has no such file.
            TemporaryError: if a server does not answer.
        """
        if not self.is_remote:
            return Path(self.text).open("rb")
        system, path = filesystem(self.text)
        known = {"size": self.size()} if self.text.lower().startswith("http") else {}  # or it asks, and hides failures
        return cast(BinaryIO, attempt(lambda: system.open(path, "rb", **known), self.text))

    def digest(self) -> str:
        """Return a digest of the content that does not need the whole of it; see `cutflow_cli.artifacts`."""
        if not self.is_remote:
            return file_digest(Path(self.text))

        def read() -> str:
            with self.open() as stream:
                return stream_digest(stream, self.size())

        return attempt(read, self.text)

    def may_recover(self, error: BaseException) -> bool:
        """Whether a failure of reading is one of a server, which `attempt` and `resumed` know what to do with."""
        return self.is_remote and judge(error) != "other"
