from pathlib import Path

import pytest

from streams.files.formats.log_error import LogError
from streams.files.replay_position import ReplayPosition

OPTIONS = {"--columns": "", "--skip-bad": "False"}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.csv"
    path.write_text("user,item,time\n")
    return path


def saved(log: Path, sent: int, folder: Path | None = None) -> ReplayPosition:
    position = ReplayPosition.of(log, folder, OPTIONS)
    position.advance(sent)
    position.save()
    return position


def test_a_position_is_loaded_as_it_was_saved(log: Path) -> None:
    assert saved(log, 1234).file == log.with_name("log.csv.replay.json")
    again = ReplayPosition.of(log, None, OPTIONS)
    again.load()
    assert again.sent == 1234
    again.remove()
    assert not again.unfinished()


def test_a_position_may_lie_in_another_folder(log: Path, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    assert saved(log, 5, tmp_path / "state").file == tmp_path / "state/log.csv.replay.json"


def test_a_position_of_another_log_or_of_other_options_is_refused(log: Path) -> None:
    saved(log, 5)
    with pytest.raises(LogError, match="the interrupted replay had another --columns"):
        ReplayPosition.of(log, None, OPTIONS | {"--columns": "user=a"}).load()
    log.write_text("user,item,time\nu,i,1\n")
    with pytest.raises(LogError, match="had another size and modified"):
        ReplayPosition.of(log, None, OPTIONS).load()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"sent": "x", "fingerprint": {}}'])
def test_a_damaged_position_is_refused(log: Path, text: str) -> None:
    position = ReplayPosition.of(log, None, OPTIONS)
    position.file.write_text(text)
    with pytest.raises(LogError, match="no position of a replay; --restart"):
        position.load()


def test_without_a_position_there_is_nothing_to_resume(log: Path) -> None:
    with pytest.raises(LogError, match=r"there is no unfinished replay in .*: leave --resume out"):
        ReplayPosition.of(log, None, OPTIONS).load()


def test_a_folder_that_takes_no_file_is_a_fault_and_no_error(log: Path, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    position = ReplayPosition.of(log, tmp_path / "none", OPTIONS)
    (tmp_path / "none").rmdir()
    position.advance(5)
    position.save()
    assert position.fault == f"{tmp_path}/none/log.csv.replay.json: No such file or directory"
    position.remove()


def test_what_is_no_folder_is_refused_at_the_beginning(log: Path) -> None:
    with pytest.raises(LogError, match=r"--state .*log\.csv: is no folder"):
        ReplayPosition.of(log, log, OPTIONS)
    with pytest.raises(LogError, match=r"--state .*nowhere: is not there"):
        ReplayPosition.of(log, log.with_name("nowhere"), OPTIONS)
