"""Why no connection comes about: which setting does not fit the listener, where it is not that the broker is away.

aiokafka logs the reason and raises that it is unable to bootstrap; here one connection is made to learn it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Iterator
from typing import Any, Final

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from streams.errors import KafkaAccessError
from streams.kafka.client.client_options import connection_options
from streams.kafka.client.oauth import TokenError
from streams.settings.sections import KafkaSettings

_TIMEOUT_MS: Final = 5_000
_EXPIRED, _NOT_YET_VALID, _WRONG_HOST, _WRONG_ADDRESS = 10, 9, 62, 64  # X509_V_ERR_… of OpenSSL


async def check_connection(kafka: KafkaSettings) -> None:
    """Returns where a client can connect, or where the brokers are away. Raises KafkaAccessError for a wrong setting.

    Asks the brokers of kafka.bootstrap_servers, and those that they name for clients to use.
    """
    options = connection_options(kafka)
    waiting = [(host, port) for host, port, _ in collect_hosts(kafka.bootstrap_servers, randomize=False)]
    asked: set[tuple[str, int]] = set()
    while waiting:
        host, port = waiting.pop(0)
        if (host, port) in asked:
            continue
        asked.add((host, port))
        try:
            waiting += await _ask(host, port, options)
        except (OSError, KafkaError, TimeoutError) as error:
            if (problem := await _problem(kafka, host, port, error)) is not None:
                raise KafkaAccessError(problem) from error


async def no_broker(kafka: KafkaSettings) -> str:
    """What to do where no broker answers; another line where something listens there and stays silent."""
    for host, port, _ in collect_hosts(kafka.bootstrap_servers, randomize=False):
        if await _listens(host, port):
            return (
                f"something listens at {host}:{port} but does not answer as a Kafka broker does: "
                "set kafka.bootstrap_servers to a broker, or restart that one if it hangs"
            )
    if kafka.uses_tls or kafka.uses_sasl:
        return f"no broker answers at {kafka.bootstrap_servers}: set kafka.bootstrap_servers to a broker that runs"
    return (
        f"no broker answers at {kafka.bootstrap_servers}: start one (`interest-stream kafka start`) "
        "or set kafka.bootstrap_servers"
    )


async def _ask(host: str, port: int, options: dict[str, Any]) -> list[tuple[str, int]]:
    """The brokers that this one names, itself among them."""
    connection = await create_conn(host, port, request_timeout_ms=_TIMEOUT_MS, **options)
    try:
        metadata = await connection.send(MetadataRequest([]))
        return [(broker[1], broker[2]) for broker in metadata.brokers]
    except KafkaConnectionError as error:
        # The broker knows which of its APIs there are, and closes at the first request that needs more.
        raise _ClosedError from error
    finally:
        await _close(connection)


class _ClosedError(KafkaError):
    """The broker has closed a connection that was complete to the client."""


async def _problem(kafka: KafkaSettings, host: str, port: int, error: BaseException) -> str | None:
    """The line that names the setting; None for a broker that does not answer."""
    server = f"the broker at {host}:{port}"
    set_protocol = "set kafka.security_protocol to"
    for cause in _chain(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _certificate_problem(kafka, host, server, cause)
        if isinstance(cause, ssl.SSLError) and "ALERT" in (cause.reason or ""):
            shown = kafka.ssl_cert_file or "empty"
            return f"{server} asks for a certificate that it trusts: kafka.ssl_cert_file is {shown} ({cause.reason})"
        if isinstance(cause, TokenError):
            return str(cause)
        if isinstance(cause, SaslAuthenticationFailed):
            return f"{server} refuses {_credentials(kafka)} ({cause.args[0] if cause.args else cause})"
        if isinstance(cause, UnsupportedSaslMechanismError):
            return f"{server} does not take kafka.sasl_mechanism={kafka.sasl_mechanism}: set another one"
        if isinstance(cause, IllegalSaslStateError):
            return f"{server} takes no SASL there: {set_protocol} {'SSL' if kafka.uses_tls else 'PLAINTEXT'}"
    if isinstance(error, ConnectionRefusedError):
        return None
    if not kafka.uses_tls and await _speaks_http(host, port):
        return f"an HTTP server answers at {host}:{port}, no Kafka broker: set kafka.bootstrap_servers to a broker"
    if isinstance(error, TimeoutError):
        return None
    if isinstance(error, OSError) and not isinstance(error, ConnectionError | ssl.SSLError):
        return None  # no route, no such name
    if kafka.uses_tls and not isinstance(error, _ClosedError):
        if await _answers_in_plain(host, port):
            return f"{server} does not speak TLS there: {set_protocol} PLAINTEXT or SASL_PLAINTEXT"
        return None
    if not kafka.uses_tls and await _speaks_tls(host, port):
        return f"{server} speaks TLS there: {set_protocol} SSL or SASL_SSL, not {kafka.security_protocol}"
    if isinstance(error, _ClosedError) and not kafka.uses_sasl:
        wanted = "SASL_SSL" if kafka.uses_tls else "SASL_PLAINTEXT"
        return f"{server} asks for a user: {set_protocol} {wanted}, not {kafka.security_protocol}"
    return None


def _certificate_problem(kafka: KafkaSettings, host: str, server: str, error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code == _EXPIRED:
        protocol = f"kafka.security_protocol={kafka.security_protocol}"
        return f"the certificate of {server} has expired: renew it there, no setting helps ({protocol})"
    if error.verify_code == _NOT_YET_VALID:
        return f"the certificate of {server} is not valid yet: compare the clocks of both machines"
    if error.verify_code in (_WRONG_HOST, _WRONG_ADDRESS):
        return (
            f"the certificate of {server} is not that of the host {host}: set kafka.bootstrap_servers to a name that "
            "is in it, or kafka.ssl_check_hostname=false to take any that is signed"
        )
    trusted = f"kafka.ssl_ca_file={kafka.ssl_ca_file}"
    if not kafka.ssl_ca_file:
        trusted = "the system (kafka.ssl_ca_file is empty)"
    return f"the certificate of {server} is signed by no authority of {trusted}: {error.verify_message}"


def _credentials(kafka: KafkaSettings) -> str:
    if kafka.sasl_mechanism == "OAUTHBEARER":
        return f"the token of kafka.sasl_oauth_client_id={kafka.sasl_oauth_client_id}"
    return f"kafka.sasl_username={kafka.sasl_username} with kafka.sasl_password by {kafka.sasl_mechanism}"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


async def _listens(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(_TIMEOUT_MS / 1000):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def _speaks_http(host: str, port: int) -> bool:
    """Whether a request of HTTP is answered in HTTP; a broker closes, because the request begins with no length."""
    try:
        async with asyncio.timeout(_TIMEOUT_MS / 1000):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(b"GET / HTTP/1.0\r\n\r\n")
                return await reader.readexactly(5) == b"HTTP/"
            finally:
                writer.close()
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return False


async def _speaks_tls(host: str, port: int) -> bool:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        async with asyncio.timeout(_TIMEOUT_MS / 1000):
            _, writer = await asyncio.open_connection(host, port, ssl=context)
    except (OSError, TimeoutError):
        return False
    writer.close()
    with contextlib.suppress(OSError, TimeoutError):
        await asyncio.wait_for(writer.wait_closed(), _TIMEOUT_MS / 1000)
    return True


async def _answers_in_plain(host: str, port: int) -> bool:
    try:
        connection = await create_conn(host, port, request_timeout_ms=_TIMEOUT_MS)
    except (OSError, KafkaError, TimeoutError):
        return False
    await _close(connection)
    return True


async def _close(connection: Any) -> None:
    connection.close()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.shield(connection._closed_fut), _TIMEOUT_MS / 1000)
