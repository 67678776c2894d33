"""Workers and commands against listeners with TLS and SASL; settings that do not fit, each told in one line."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest

from streams.errors import KafkaAccessError
from streams.kafka.topic_specs import topic_specs
from streams.kafka.topics import ensure_topics
from streams.settings.settings import Settings, load_settings
from tests.integration.deployment import Deployment, round_robin_event
from tests.integration.faults import set_environment
from tests.integration.worker import killed_at_end
from tests.secured_kafka import CLIENT, PASSWORD, USER, SecuredKafka, token_endpoint

_ROOT = Path(__file__).parents[2]
_PASSWORD = {"INTEREST_KAFKA__SASL_PASSWORD": PASSWORD}


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    secured = SecuredKafka(tmp_path_factory.mktemp("secured"))
    with secured.kafka:
        yield secured


def _settings(overrides: list[str], environment: Mapping[str, str] = {}) -> Settings:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        return load_settings(None, overrides)


async def _applies_events(
    secured: SecuredKafka,
    prefix: str,
    folder: Path,
    overrides: list[str],
    monkeypatch: pytest.MonkeyPatch,
    environment: Mapping[str, str],
) -> None:
    """Topics are created, a worker applies events, and its rows are read, all with these settings."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    site = Deployment(secured.kafka.bootstrap_servers, prefix, folder, ["topics.partitions=1", *overrides])
    with killed_at_end(site.workers):
        await site.create()
        worker = site.worker(fault=partial(set_environment, dict(environment)))
        await site.send(round_robin_event(n) for n in range(200))
        await site.finish(worker)
        await site.check(stopped=["a"])
    for secret in environment.values():
        assert secret not in worker.text()
    assert "Traceback" not in worker.text()


async def test_tls(secured: SecuredKafka, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await _applies_events(secured, prefix, tmp_path, secured.tls(), monkeypatch, {})


async def test_mutual_tls(secured: SecuredKafka, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    overrides = [
        *secured.tls("MUTUAL"),
        f"kafka.ssl_cert_file={secured.cert_file}",
        f"kafka.ssl_key_file={secured.key_file}",
    ]
    await _applies_events(secured, prefix, tmp_path, overrides, monkeypatch, {})


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_passwords(
    secured: SecuredKafka, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mechanism: str
) -> None:
    await _applies_events(secured, prefix, tmp_path, secured.sasl(mechanism), monkeypatch, _PASSWORD)


async def test_client_credentials(
    secured: SecuredKafka, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(CLIENT[1] + "\n")
    with token_endpoint() as url:
        overrides = [
            *secured.sasl("OAUTHBEARER"),
            f"kafka.sasl_oauth_token_url={url}",
            f"kafka.sasl_oauth_client_id={CLIENT[0]}",
        ]
        environment = {"INTEREST_KAFKA__SASL_OAUTH_CLIENT_SECRET_FILE": str(secret)}
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        site = Deployment(secured.kafka.bootstrap_servers, prefix, tmp_path, ["topics.partitions=1", *overrides])
        with killed_at_end(site.workers):
            await site.create()
            worker = site.worker(fault=partial(set_environment, environment))
            await site.send(round_robin_event(n) for n in range(200))
            await site.finish(worker)
            await site.check(stopped=["a"])


Fault = Callable[[SecuredKafka], tuple[list[str], dict[str, str]]]


def _wrong_password(mechanism: str, secured: SecuredKafka) -> tuple[list[str], dict[str, str]]:
    return secured.sasl(mechanism), {"INTEREST_KAFKA__SASL_PASSWORD": "not the secret"}


FAULTS: dict[str, tuple[Fault, str]] = {
    "wrong authority": (
        lambda secured: ([*secured.tls(), f"kafka.ssl_ca_file={secured.other_ca_file}"], {}),
        r"signed by no authority of kafka\.ssl_ca_file=",
    ),
    "the system's authorities": (
        lambda secured: ([*secured.tls()[:-1]], {}),
        r"signed by no authority of the system \(kafka\.ssl_ca_file is empty\)",
    ),
    "wrong host": (
        lambda secured: (secured.tls("WRONGHOST"), {}),
        r"not that of the host localhost: set kafka\.bootstrap_servers .* kafka\.ssl_check_hostname=false",
    ),
    "expired": (lambda secured: (secured.tls("EXPIRED"), {}), r"has expired: renew it.*kafka\.security_protocol"),
    "no certificate": (lambda secured: (secured.tls("MUTUAL"), {}), r"kafka\.ssl_cert_file is empty"),
    "plain client, TLS": (
        lambda secured: ([f"kafka.bootstrap_servers={secured.address('TLS')}"], {}),
        r"speaks TLS there: set kafka\.security_protocol to SSL or SASL_SSL, not PLAINTEXT",
    ),
    "plain client, SASL and TLS": (
        lambda secured: ([f"kafka.bootstrap_servers={secured.address('SASLTLS')}"], {}),
        r"speaks TLS there: set kafka\.security_protocol to SSL or SASL_SSL, not PLAINTEXT",
    ),
    "plain client, SASL": (
        lambda secured: ([f"kafka.bootstrap_servers={secured.address('SASLPLAIN')}"], {}),
        r"asks for a user: set kafka\.security_protocol to SASL_PLAINTEXT, not PLAINTEXT",
    ),
    "TLS client, SASL": (
        lambda secured: (secured.tls("SASLTLS"), {}),
        r"asks for a user: set kafka\.security_protocol to SASL_SSL, not SSL",
    ),
    "SASL client, TLS alone": (
        lambda secured: (secured.sasl("PLAIN", "TLS"), _PASSWORD),
        r"takes no SASL there: set kafka\.security_protocol to SSL",
    ),
    "TLS client, plain": (
        lambda secured: (
            [*secured.tls(), f"kafka.bootstrap_servers={secured.kafka.bootstrap_servers}"],
            {},
        ),
        r"does not speak TLS there: set kafka\.security_protocol to PLAINTEXT or SASL_PLAINTEXT",
    ),
    **{
        f"wrong password by {mechanism}": (
            partial(_wrong_password, mechanism),
            rf"refuses kafka\.sasl_username={USER} with kafka\.sasl_password by {mechanism}",
        )
        for mechanism in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
    },
    "no token endpoint": (
        lambda secured: (
            [
                *secured.sasl("OAUTHBEARER"),
                "kafka.sasl_oauth_token_url=http://127.0.0.1:1/token",
                "kafka.sasl_oauth_client_id=client",
            ],
            {"INTEREST_KAFKA__SASL_OAUTH_CLIENT_SECRET": "not the secret"},
        ),
        r"no token from http://127\.0\.0\.1:1/token \(kafka\.sasl_oauth_token_url\)",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_setting_that_does_not_fit_is_named_in_one_line(secured: SecuredKafka, fault: str) -> None:
    settings_of, message = FAULTS[fault]
    with pytest.raises(KafkaAccessError) as caught:
        await ensure_topics(_settings(*settings_of(secured)))
    await asyncio.sleep(0.2)  # aiokafka does not wait until the connections that it gives up are closed
    text = str(caught.value)
    assert re.search(message, text), text
    assert "\n" not in text
    assert "start one" not in text
    assert "not the secret" not in text


async def test_wrong_client_credentials(secured: SecuredKafka) -> None:
    with token_endpoint() as url:
        settings = _settings(
            [
                *secured.sasl("OAUTHBEARER"),
                f"kafka.sasl_oauth_token_url={url}",
                f"kafka.sasl_oauth_client_id={CLIENT[0]}",
            ],
            {"INTEREST_KAFKA__SASL_OAUTH_CLIENT_SECRET": "not the secret"},
        )
        with pytest.raises(KafkaAccessError, match=r"401 .*kafka\.sasl_oauth_client_secret .*is wrong"):
            await ensure_topics(settings)


async def test_any_host_is_taken_where_that_is_set(secured: SecuredKafka) -> None:
    settings = _settings([*secured.tls("WRONGHOST"), "kafka.ssl_check_hostname=false"])
    assert len(await ensure_topics(settings)) == len(topic_specs(settings))


@pytest.mark.parametrize(
    "command",
    [["topics"], ["tail"], ["show", "u1"], ["replay", "LOG"], ["synthesize", "--rate", "max"], ["worker"]],
    ids=lambda command: command[0],
)
def test_every_command_names_the_setting(secured: SecuredKafka, tmp_path: Path, command: list[str]) -> None:
    log = tmp_path / "log.csv"
    log.write_text("user,item,time\nu1,i1,1700000000\n")
    words = [str(log) if word == "LOG" else word for word in command]
    program = [sys.executable, "-m", "streams.cli", *words, f"--set=worker.data_dir={tmp_path / 'data'}"]
    program.append(f"--set=kafka.bootstrap_servers={secured.address('TLS')}")
    done = subprocess.run(program, capture_output=True, text=True, timeout=120, cwd=_ROOT, check=False)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode in (1, 70), done.stderr
    assert "speaks TLS there: set kafka.security_protocol to SSL or SASL_SSL, not PLAINTEXT" in last
    assert "Traceback" not in done.stderr
    assert "start one" not in done.stderr
