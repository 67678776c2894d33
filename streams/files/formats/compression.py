"""Plain, gzip, Zstandard and zip files as streams of bytes; the first bytes tell the format, not the name."""

import gzip
import io
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from streams.files.formats.log_error import LogError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

COMPRESSED_SUFFIXES = (".gz", ".zst", ".zip")
BUFFER_BYTES = 256 * 1024
_STANDARD_INPUT = ("-", "/dev/stdin")
_GZIP, _ZSTD, _ZIP, _EMPTY_ZIP = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04", b"PK\x05\x06"
# zipfile raises the last two for passwords and methods that it does not know.
_LIBRARY_ERRORS = (OSError, EOFError, zlib.error, zstd.ZstdError, zipfile.BadZipFile, RuntimeError, NotImplementedError)


@contextmanager
def open_data(path: Path) -> Iterator[IO[bytes]]:
    """The file's bytes, decompressed while they are read. Raises LogError, also for errors inside the `with`."""
    try:
        check_is_file(path)
        with path.open("rb") as raw:
            magic = raw.read(4)
            raw.seek(0)
            if magic in (_ZIP, _EMPTY_ZIP):
                with zipfile.ZipFile(raw) as archive, archive.open(_member(path, archive)) as member:
                    yield cast(IO[bytes], io.BufferedReader(cast(io.RawIOBase, member), BUFFER_BYTES))
            elif magic[:2] == _GZIP:
                with gzip.GzipFile(fileobj=raw) as unzipped:
                    yield cast(IO[bytes], io.BufferedReader(cast(io.RawIOBase, unzipped), BUFFER_BYTES))
            elif magic == _ZSTD:
                with zstd.ZstdFile(raw) as unzipped:
                    yield cast(IO[bytes], io.BufferedReader(cast(io.RawIOBase, unzipped), BUFFER_BYTES))
            else:
                yield raw
    except EOFError as error:
        raise LogError(f"{path}: cannot be read: the archive is cut off; copy or write it anew") from error
    except _LIBRARY_ERRORS as error:
        raise LogError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def check_is_file(path: Path) -> None:
    """Raises LogError for a folder, a pipe or standard input; not for a path where there is nothing."""
    if path.is_dir():
        raise LogError(f"{path}: is a folder; name a file")
    if (path.exists() and not path.is_file()) or str(path) in _STANDARD_INPUT:
        raise LogError(f"{path}: not a regular file; it is read more than once, so write it to a file first")


def data_suffix(path: Path) -> str:
    """The suffix that names the format: without `.gz`, `.zst` or `.zip`; of `logs.zip`, that of the file inside."""
    suffix = path.suffix.lower()
    if suffix not in COMPRESSED_SUFFIXES:
        return suffix
    inner = Path(path.stem).suffix.lower()
    if inner or suffix != ".zip" or not path.is_file():
        return inner
    try:
        with zipfile.ZipFile(path) as archive:
            return Path(_member(path, archive).filename).suffix.lower()
    except _LIBRARY_ERRORS as error:
        raise LogError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _member(path: Path, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    members = [
        member for member in archive.infolist() if not member.is_dir() and not member.filename.startswith("__MACOSX/")
    ]
    if len(members) == 1:
        return members[0]
    names = ", ".join(repr(member.filename) for member in members[:5]) + (", …" if len(members) > 5 else "")
    raise LogError(f"{path}: the archive holds {len(members)} files ({names}) where one is expected: unpack it first")
