"""A real broker with listeners of every kind of security, its certificates, and a token endpoint."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs

import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from streams.local_kafka.cluster import LocalKafka

USER: Final = "alice"
PASSWORD: Final = "correct horse battery"
KEY_PASSWORD: Final = "of the key"
CLIENT: Final = ("client", "client secret")

_LISTENERS: Final = {
    "TLS": "SSL",
    "MUTUAL": "SSL",
    "WRONGHOST": "SSL",
    "EXPIRED": "SSL",
    "SASLTLS": "SASL_SSL",
    "SASLPLAIN": "SASL_PLAINTEXT",
}
_MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")
_JAAS: Final = "org.apache.kafka.common.security"
_MODULES: Final = {
    "PLAIN": f'{_JAAS}.plain.PlainLoginModule required user_{USER}="{PASSWORD}"',
    "SCRAM-SHA-256": f"{_JAAS}.scram.ScramLoginModule required",
    "SCRAM-SHA-512": f"{_JAAS}.scram.ScramLoginModule required",
    "OAUTHBEARER": f'{_JAAS}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="{USER}"',
}


class SecuredKafka:
    """The broker, by whose plain listener tests arrange things, and the files that clients need."""

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        authority = trustme.CA()
        self.ca_file = folder / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        self.other_ca_file = folder / "other-ca.pem"
        trustme.CA().cert_pem.write_to_path(str(self.other_ca_file))
        past = datetime.now(UTC) - timedelta(days=1)
        names = {
            "server": authority.issue_cert("localhost"),
            "wronghost": authority.issue_cert("kafka.example"),
            "expired": authority.issue_cert("localhost", not_before=past - timedelta(days=1), not_after=past),
        }
        for name, certificate in names.items():
            self._write_key_store(name, certificate)
        client = authority.issue_cert("client@example.org", common_name=USER)
        self.cert_file, self.key_file = folder / "client.pem", folder / "client-key.pem"
        client.cert_chain_pems[0].write_to_path(str(self.cert_file))
        client.private_key_pem.write_to_path(str(self.key_file))
        self.kafka = LocalKafka(
            folder / "kafka",
            settings=self._settings() | dict(settings or {}),
            listeners=_LISTENERS,
            format_options=[
                option
                for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
                for option in ("--add-scram", f'{mechanism}=[name={USER},password="{PASSWORD}"]')
            ],
        )

    def address(self, listener: str, host: str = "localhost") -> str:
        return self.kafka.listener_address(listener, host)

    def tls(self, listener: str = "TLS", protocol: str = "SSL") -> list[str]:
        """Settings of a client that trusts the broker's authority."""
        return [
            f"kafka.bootstrap_servers={self.address(listener)}",
            f"kafka.security_protocol={protocol}",
            f"kafka.ssl_ca_file={self.ca_file}",
        ]

    def sasl(self, mechanism: str, listener: str = "SASLTLS", protocol: str = "SASL_SSL") -> list[str]:
        """Settings of the user by this mechanism, without the password."""
        return [*self.tls(listener, protocol), f"kafka.sasl_mechanism={mechanism}", f"kafka.sasl_username={USER}"]

    def _write_key_store(self, name: str, certificate: trustme.LeafCert) -> None:
        key = load_pem_private_key(certificate.private_key_pem.bytes(), None)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        chain = b"".join(part.bytes() for part in certificate.cert_chain_pems)
        (self.folder / f"{name}.pem").write_bytes(pem + chain)

    def _settings(self) -> dict[str, str]:
        settings = {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self.folder / "server.pem"),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.ca_file),
            "listener.name.mutual.ssl.client.auth": "required",
            "sasl.enabled.mechanisms": ",".join(_MECHANISMS),
        }
        for name in ("wronghost", "expired"):
            settings[f"listener.name.{name}.ssl.keystore.type"] = "PEM"
            settings[f"listener.name.{name}.ssl.keystore.location"] = str(self.folder / f"{name}.pem")
        for listener in ("sasltls", "saslplain"):
            for mechanism in _MECHANISMS:
                name = f"listener.name.{listener}.{mechanism.lower()}.sasl.jaas.config"
                settings[name] = f"{_MODULES[mechanism]};"
        return settings


@contextmanager
def token_endpoint() -> Iterator[str]:
    """URL that answers the right client credentials by the unsecured token that Kafka's own handler takes."""
    expected = base64.b64encode(b"client:client%20secret").decode()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            fields = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            if self.headers["Authorization"] != f"Basic {expected}" or fields["grant_type"] != ["client_credentials"]:
                self.send_error(401)
                return
            now = int(time.time())
            parts = [{"alg": "none"}, {"sub": USER, "iat": now, "exp": now + 3600}]
            token = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
            body = json.dumps({"access_token": f"{token}.", "expires_in": 3600, "token_type": "Bearer"}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/token"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
