"""The options that every aiokafka client of ours is made with: servers, TLS, SASL, and the codec of producers.

One function, so that no client can be left out where a cluster asks for encryption or a password.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

from streams.errors import SettingsError
from streams.kafka.client.oauth import ClientCredentials
from streams.settings.sections import KafkaSettings


def client_options(kafka: KafkaSettings) -> dict[str, Any]:
    """Options of a consumer, a producer, an admin client or a plain client. Raises SettingsError for a bad file."""
    return {"bootstrap_servers": kafka.bootstrap_servers, **connection_options(kafka)}


def producer_options(kafka: KafkaSettings) -> dict[str, Any]:
    """Options of a producer: those of every client, and the codec of its batches."""
    return {**client_options(kafka), "compression_type": None if kafka.compression == "none" else kafka.compression}


def connection_options(kafka: KafkaSettings) -> dict[str, Any]:
    """The part of `client_options` that says how to connect, wherever to."""
    options: dict[str, Any] = {"security_protocol": kafka.security_protocol}
    if kafka.uses_tls:
        options["ssl_context"] = ssl_context(kafka)
    if kafka.uses_sasl:
        options["sasl_mechanism"] = kafka.sasl_mechanism
        if kafka.sasl_mechanism == "OAUTHBEARER":
            options["sasl_oauth_token_provider"] = ClientCredentials(kafka)
        else:
            options["sasl_plain_username"] = kafka.sasl_username
            options["sasl_plain_password"] = kafka.sasl_password.get_secret_value()
    return options


def ssl_context(kafka: KafkaSettings) -> ssl.SSLContext:
    """The TLS context of a client: whom it trusts, and what it shows of itself."""
    try:
        context = ssl.create_default_context(cafile=kafka.ssl_ca_file or None)
    except OSError as error:  # SSLError among them
        raise _file_error("ssl_ca_file", kafka.ssl_ca_file, error, "no certificates in PEM format") from error
    context.check_hostname = kafka.ssl_check_hostname
    if kafka.ssl_cert_file:
        key = kafka.ssl_key_file or kafka.ssl_cert_file
        for name, file in (("ssl_cert_file", kafka.ssl_cert_file), ("ssl_key_file", key)):
            try:
                Path(file).open("rb").close()
            except OSError as error:
                raise _file_error(name, file, error, "") from error
        try:
            # Without a password OpenSSL would ask for one at the terminal.
            context.load_cert_chain(kafka.ssl_cert_file, key, kafka.ssl_key_password.get_secret_value)
        except OSError as error:
            files = f"kafka.ssl_cert_file={kafka.ssl_cert_file}, kafka.ssl_key_file={key}"
            what = f"they are no certificate and its key, or kafka.ssl_key_password is wrong ({error})"
            raise SettingsError([f"{files}: {what}"]) from error
    return context


def _file_error(name: str, file: str, error: OSError, otherwise: str) -> SettingsError:
    reason = otherwise if isinstance(error, ssl.SSLError) else f"can't be read: {error.strerror}"
    return SettingsError([f"kafka.{name}={file}: {reason}"])
