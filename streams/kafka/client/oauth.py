"""Tokens for SASL OAUTHBEARER, had for client credentials (RFC 6749, section 4.4) from a token endpoint."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import threading
import time
from typing import Any, Final

from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import SaslAuthenticationFailed

from streams.settings.sections import KafkaSettings

_TIMEOUT_S: Final = 10.0
_USED_SHARE: Final = 0.8  # of a token's lifetime, after which the next connection gets a new one


class TokenError(SaslAuthenticationFailed):
    """No token: the message names the setting. One of aiokafka's errors, so that its clients treat it as such."""

    def __str__(self) -> str:
        return str(self.args[0])


class ClientCredentials(AbstractTokenProvider):
    """Gets a token when a connection needs one, and keeps it for most of its lifetime."""

    def __init__(self, kafka: KafkaSettings) -> None:
        super().__init__()
        self._kafka = kafka
        self._lock = threading.Lock()  # clients of several event loops may ask
        self._token = ""
        self._use_until_s = 0.0

    async def token(self) -> str:
        """The token. Raises TokenError."""
        return await asyncio.to_thread(self._current)

    def _current(self) -> str:
        with self._lock:
            if time.monotonic() >= self._use_until_s:
                answer = self._request()
                self._token = str(answer["access_token"])
                self._use_until_s = time.monotonic() + _USED_SHARE * float(answer.get("expires_in", 0))
            return self._token

    def _request(self) -> dict[str, Any]:
        # Only here: an HTTP client takes longer to import than the rest of this package.
        from urllib.error import HTTPError
        from urllib.parse import quote, urlencode
        from urllib.request import Request, urlopen

        kafka = self._kafka
        url = kafka.sasl_oauth_token_url
        fields = {"grant_type": "client_credentials"}
        if kafka.sasl_oauth_scope:
            fields["scope"] = kafka.sasl_oauth_scope
        quoted = [
            quote(text, safe="")
            for text in (kafka.sasl_oauth_client_id, kafka.sasl_oauth_client_secret.get_secret_value())
        ]
        headers = {
            "Authorization": "Basic " + base64.b64encode(":".join(quoted).encode()).decode(),
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        }
        where = f"no token from {url} (kafka.sasl_oauth_token_url)"
        try:
            request = Request(url, urlencode(fields).encode(), headers)
            with urlopen(request, timeout=_TIMEOUT_S, context=self._ssl_context()) as response:
                answer = json.load(response)
        except HTTPError as error:
            cause = "kafka.sasl_oauth_client_id, kafka.sasl_oauth_client_secret or kafka.sasl_oauth_scope is wrong"
            raise TokenError(f"{where}: it answers {error.code} {error.reason}: {cause}") from error
        except (OSError, ValueError) as error:
            raise TokenError(f"{where}: {getattr(error, 'reason', error)}") from error
        if not isinstance(answer, dict) or "access_token" not in answer:
            raise TokenError(f"{where}: its answer holds no access_token")
        return answer

    def _ssl_context(self) -> ssl.SSLContext:
        """Trusts the system's authorities, and that of the brokers: identity providers often share it."""
        context = ssl.create_default_context()
        if self._kafka.ssl_ca_file:
            context.load_verify_locations(self._kafka.ssl_ca_file)
        return context
