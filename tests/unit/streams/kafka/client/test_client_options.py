from pathlib import Path

import pytest
import trustme

from streams.errors import SettingsError
from streams.kafka.client.client_options import client_options, producer_options
from streams.settings.sections import KafkaSettings


def test_without_security_a_client_needs_the_servers_alone() -> None:
    assert client_options(KafkaSettings()) == {
        "bootstrap_servers": "127.0.0.1:9092",
        "security_protocol": "PLAINTEXT",
    }
    assert producer_options(KafkaSettings())["compression_type"] == "lz4"
    assert producer_options(KafkaSettings(compression="none"))["compression_type"] is None


def refusal(kafka: KafkaSettings) -> str:
    with pytest.raises(SettingsError) as caught:
        client_options(kafka)
    (line,) = caught.value.faults
    return line


def test_files_that_do_not_fit_are_named(tmp_path: Path) -> None:
    empty, missing = tmp_path / "empty.pem", tmp_path / "missing.pem"
    empty.write_text("")
    assert f"kafka.ssl_ca_file={missing}: can't be read: No such file" in refusal(
        KafkaSettings(security_protocol="SSL", ssl_ca_file=str(missing))
    )
    assert f"kafka.ssl_ca_file={empty}: no certificates in PEM format" in refusal(
        KafkaSettings(security_protocol="SSL", ssl_ca_file=str(empty))
    )
    assert f"kafka.ssl_cert_file={missing}: can't be read" in refusal(
        KafkaSettings(security_protocol="SSL", ssl_cert_file=str(missing))
    )


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate, other = authority.issue_cert("a"), authority.issue_cert("b")
    cert_file, key_file = tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate.cert_chain_pems[0].write_to_path(str(cert_file))
    other.private_key_pem.write_to_path(str(key_file))
    kafka = KafkaSettings(security_protocol="SSL", ssl_cert_file=str(cert_file), ssl_key_file=str(key_file))
    assert "they are no certificate and its key, or kafka.ssl_key_password is wrong" in refusal(kafka)
    certificate.private_key_pem.write_to_path(str(key_file))
    assert "ssl_context" in client_options(kafka)
