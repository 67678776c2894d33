from pathlib import Path

import pytest

from streams.errors import SettingsError
from streams.settings.settings import load_settings

PASSWORD = "INTEREST_REGISTRY__PASSWORD"


@pytest.mark.parametrize(
    "url", ["http://registry:8081", "https://psrc-1.example.com", "http://[::1]:8080/apis/ccompat/v7", ""]
)
def test_urls(url: str) -> None:
    assert load_settings(None, [f"registry.url={url}"]).registry.url == url


@pytest.mark.parametrize("url", ["registry:8081", "ftp://registry", "http://", "http://a:b:c", "http://[1/", "/x"])
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(SettingsError, match=r"registry\.url = .*: must be http://host:port or https://host:port"):
        load_settings(None, [f"registry.url={url}"])


def test_no_secret_in_a_url() -> None:
    with pytest.raises(SettingsError, match=r"must not hold a user or password: set registry\.username"):
        load_settings(None, ["registry.url=http://user:secret@registry:8081"])


def test_the_password_comes_from_the_environment_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=rf"registry\.password is a secret.*set {PASSWORD}, or {PASSWORD}_FILE"):
        load_settings(None, ["registry.username=u", "registry.password=secret"])
    monkeypatch.setenv(PASSWORD, "secret")
    with pytest.raises(SettingsError, match=r"registry\.password needs registry\.username") as caught:
        load_settings()
    assert "= secret" not in str(caught.value)
    settings = load_settings(None, ["registry.username=u"])
    assert settings.registry.password.get_secret_value() == "secret"
    assert f"from {PASSWORD}, or …_FILE, alone" in settings.to_toml()
    assert '"secret"' not in settings.to_toml()
    monkeypatch.delenv(PASSWORD)
    file = tmp_path / "password"
    file.write_text("of a file\n")
    monkeypatch.setenv(f"{PASSWORD}_FILE", str(file))
    assert load_settings(None, ["registry.username=u"]).registry.password.get_secret_value() == "of a file"
