"""Secrets of secured clusters."""

from pathlib import Path

import pytest

from streams.settings.child_environment import without_settings
from streams.settings.settings import load_settings
from tests.unit.streams.settings.faults import faults

SECRETS = ["sasl_password", "ssl_key_password", "sasl_oauth_client_secret"]


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_comes_from_the_environment_or_a_file_and_is_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    variable = f"INTEREST_KAFKA__{secret.upper()}"
    monkeypatch.setenv(variable, "opensesame")
    settings = load_settings()
    file = tmp_path / "secret"
    file.write_text("opensesame\n")
    monkeypatch.delenv(variable)
    monkeypatch.setenv(f"{variable}_FILE", str(file))
    assert load_settings() == settings
    assert getattr(settings.kafka, secret).get_secret_value() == "opensesame"
    shown = [str(settings), repr(settings), settings.to_toml(), *(str(row) for row in settings.explain())]
    assert not any("opensesame" in text for text in shown)


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_in_a_file_of_settings_or_on_the_command_line_is_refused(tmp_path: Path, secret: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(f'[kafka]\n{secret} = "opensesame"\n')
    for line in (*faults(file), *faults(None, f"kafka.{secret}=opensesame")):
        assert f"kafka.{secret} is a secret, which command lines and settings files show to others" in line
        assert f"set INTEREST_KAFKA__{secret.upper()}, or INTEREST_KAFKA__{secret.upper()}_FILE" in line
        assert "opensesame" not in line


def test_a_secret_file_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTEREST_KAFKA__SASL_PASSWORD_FILE", "/nowhere")
    (line,) = faults()
    assert "INTEREST_KAFKA__SASL_PASSWORD_FILE: /nowhere can't be read: No such file" in line


def test_sasl_without_credentials_names_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = faults(None, "kafka.security_protocol=SASL_SSL")
    assert "needs kafka.sasl_username and kafka.sasl_password" in line
    line = "\n".join(faults(None, "kafka.security_protocol=SASL_SSL", "kafka.sasl_mechanism=OAUTHBEARER"))
    assert "kafka.sasl_oauth_token_url and kafka.sasl_oauth_client_id and kafka.sasl_oauth_client_secret" in line
    monkeypatch.setenv("INTEREST_KAFKA__SASL_PASSWORD", "opensesame")
    load_settings(None, ["kafka.security_protocol=SASL_SSL", "kafka.sasl_username=u"])


def test_a_child_process_gets_secrets_by_its_environment_and_nothing_else() -> None:
    environment = {
        "INTEREST_KAFKA__SASL_PASSWORD": "p",
        "INTEREST_KAFKA__SASL_PASSWORD_FILE": "/run/secrets/p",
        "INTEREST_MODEL__HIDDEN_SIZE": "8",
        "INTEREST_KAFKA_PORT": "tcp://10.0.0.1",
        "PATH": "/bin",
    }
    kept = without_settings(environment)
    assert kept == {name: value for name, value in environment.items() if name != "INTEREST_MODEL__HIDDEN_SIZE"}
