from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from streams.cli.main import app

NO_SERVER = ("--url", "http://127.0.0.1:1")


def export(*words: str) -> Result:
    return CliRunner().invoke(app, ["segments", "export", *words, *NO_SERVER])


def test_a_file_is_not_written_over_where_no_server_answers(tmp_path: Path) -> None:
    file = tmp_path / "users.csv"
    file.write_text("of yesterday")
    failed = export("--out", str(file))
    assert failed.exit_code == 1
    assert "start `interest-stream web`" in failed.output
    assert file.read_text() == "of yesterday"


@pytest.mark.parametrize("topic", ["user-events", "model-releases", "interest-user-state-changelog"])
def test_users_are_not_sent_to_a_topic_of_the_system_itself(topic: str) -> None:
    refused = export("--topic", topic)
    assert refused.exit_code == 2, refused.output
    assert "create one of your own" in refused.output
