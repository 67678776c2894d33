import pytest

from streams.settings.settings import load_settings
from tests.unit.streams.settings.faults import faults

TOKEN = "0123456789abcdef"


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False),
     ("example.com", False), ("10.1.2.3", False)],
)  # fmt: skip
def test_only_loopback_is_loopback(host: str, is_loopback: bool) -> None:
    assert load_settings(None, [f"web.host={host}"]).web.is_loopback is is_loopback


def test_tokens_are_long_and_differ_and_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTEREST_WEB__READ_TOKEN", TOKEN)
    settings = load_settings()
    assert settings.web.tokens == {"read": TOKEN}
    assert not any(TOKEN in text for text in (repr(settings), settings.to_toml(), str(settings.explain())))
    monkeypatch.setenv("INTEREST_WEB__WRITE_TOKEN", TOKEN)
    (line,) = faults()
    assert "web.read_token, web.write_token and web.erase_token must differ" in line
    assert TOKEN not in line
    monkeypatch.setenv("INTEREST_WEB__WRITE_TOKEN", "short")
    assert any("web.write_token needs at least 16 characters" in line for line in faults())
    assert any("web.erase_token is a secret" in line for line in faults(None, f"web.erase_token={TOKEN}2"))


def test_origins_are_checked() -> None:
    assert load_settings(None, ["web.allowed_origins=https://a.example, http://b:3000"]).web.origins == (
        "https://a.example",
        "http://b:3000",
    )
    (line,) = faults(None, "web.allowed_origins=https://a.example/path")
    assert "is no origin" in line
