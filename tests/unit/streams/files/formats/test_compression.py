"""Compressed logs, and files that cannot be read to their end."""

import gzip
import sys
import zipfile
from pathlib import Path

import pytest

from streams.files.event_logs import read_events
from streams.files.formats.log_error import LogError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd
from tests.unit.streams.files.logs import triples, write

CSV = b"user,item,time\nu,i,1\nv,j,2\n"


@pytest.mark.parametrize("suffix", [".gz", ".zst", ".zip"])
def test_compressed_files_are_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.csv{suffix}"
    if suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.mkdir("data")
            archive.writestr("data/log.csv", CSV)
            archive.writestr("__MACOSX/._log.csv", b"x")
    else:
        path.write_bytes(gzip.compress(CSV) if suffix == ".gz" else zstd.compress(CSV))
    assert triples(path) == [("u", "i", 1), ("v", "j", 2)]


def test_the_file_in_an_archive_names_the_format(tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("part.jsonl", b'{"user":1,"item":2,"time":3}\n')
    assert triples(path) == [("1", "2", 3)]
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("other.jsonl", b"")
    with pytest.raises(LogError, match=r"holds 2 files \('part.jsonl', 'other.jsonl'\) where one is expected"):
        triples(path)


@pytest.mark.parametrize("suffix", [".gz", ".zst", ".zip"])
@pytest.mark.parametrize("size", [6, 30, -8])
def test_a_truncated_archive_is_one_line(tmp_path: Path, suffix: str, size: int) -> None:
    data = b"user,item,time\n" + b"".join(b"u%d,i,%d\n" % (n * 7919 % 1000, n) for n in range(500))
    path = tmp_path / f"a.csv{suffix}"
    if suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("log.csv", data)
    else:
        path.write_bytes(gzip.compress(data) if suffix == ".gz" else zstd.compress(data))
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(LogError, match=rf"a\.csv\{suffix}: cannot be read"):
        triples(path)


def test_a_pipe_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="not a regular file"):
        triples(Path("/dev/zero"), delimiter=",")
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(LogError, match=r"a\.csv: is a folder"):
        triples(tmp_path / "a.csv")


def test_a_line_without_end_costs_no_memory_and_its_line_alone(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", b"user,item,time\nu,i,1\nv," + b"x" * 5_000_000 + b",2\nw,k,3\n")
    log = read_events(path, skip_bad=True)
    assert [event.user_id for event in log.events] == ["u", "w"]
    assert log.left_out.counts == {"too long": 1}
