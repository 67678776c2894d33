"""Requests to a schema registry by Confluent's HTTP API, which Apicurio, Karapace and Redpanda have too."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Literal
from urllib.parse import quote

import aiohttp

from streams.errors import RegistryError, Rejected, SettingsError
from streams.settings.registry_section import RegistrySettings

log = logging.getLogger(__name__)

SchemaType = Literal["AVRO", "PROTOBUF", "JSON"]

MAX_SCHEMA_ID: Final = 2**31 - 1  # Java's int
_RETRY_S: Final = 1.0
_MEDIA_TYPE: Final = "application/vnd.schemaregistry.v1+json"
_MISSING_CODES: Final = range(40401, 40500)
"""Of an answer that says what is missing; any other 404 is of something that is no registry"""


@dataclass(frozen=True, slots=True)
class Reference:
    """A schema that another one imports, under a name that only the importing schema gives it."""

    name: str
    subject: str
    version: int


@dataclass(frozen=True, slots=True)
class RegisteredSchema:
    """A schema as the registry holds it."""

    schema_type: str  # a SchemaType, or one that is not known here
    text: str
    references: tuple[Reference, ...]


class RegistryClient:
    """Asks the registry, and waits for one that does not answer.

    Every method raises RegistryError: after `registry.max_wait_s`, or at once where waiting would change nothing.
    """

    def __init__(self, settings: RegistrySettings) -> None:
        self._settings = settings
        self._ssl = _ssl_context(settings)
        self._failing_since_s: float | None = None

    async def check(self) -> None:
        """Returns once the registry answers as one with Confluent's API does."""
        await self._request("GET", "/schemas/types")

    async def schema(self, schema_id: int) -> RegisteredSchema:
        """The schema with this id. Raises Rejected where there is none."""
        if schema_id > MAX_SCHEMA_ID:
            raise _unknown_id(schema_id, f"ids end at {MAX_SCHEMA_ID}")
        status, answer = await self._request("GET", f"/schemas/ids/{schema_id}")
        if status != HTTPStatus.OK:
            raise _unknown_id(schema_id, f"the registry answers {status_text(status, answer)}")
        return _registered(answer)

    async def version(self, subject: str, version: int) -> RegisteredSchema:
        """A version of a subject, deleted ones included. Raises Rejected where there is none."""
        status, answer = await self._request(
            "GET", f"/subjects/{quote(subject, safe='')}/versions/{version}", {"deleted": "true"}
        )
        if status != HTTPStatus.OK:
            answered = f"the registry answers {status_text(status, answer)}"
            raise Rejected("unusable_schema", f"it refers to version {version} of {subject}, for which {answered}")
        return _registered(answer)

    async def post_schema(self, path: str, schema: str) -> tuple[int, dict[str, Any]]:
        """Status and JSON of the answer to an Avro schema that is sent there."""
        return await self._request("POST", path, body={"schema": schema})

    async def _request(
        self, method: str, path: str, query: dict[str, str] | None = None, body: dict[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Status and JSON of an answer that is not a failure of the registry."""
        while True:
            try:
                answer = await self._request_once(method, path, query, body)
            except _NoAnswerError as error:
                await self._wait(str(error))
                continue
            if self._failing_since_s is not None:
                log.info("the schema registry at %s answers again", self._settings.url)
                self._failing_since_s = None
            return answer

    async def _request_once(
        self, method: str, path: str, query: dict[str, str] | None, body: dict[str, str] | None
    ) -> tuple[int, dict[str, Any]]:
        settings = self._settings
        headers = {"Accept": f"{_MEDIA_TYPE}, application/json", "Content-Type": _MEDIA_TYPE}
        if settings.username:
            password = settings.password.get_secret_value()
            headers["Authorization"] = aiohttp.encode_basic_auth(settings.username, password)
        try:
            async with (
                aiohttp.ClientSession(
                    headers=headers, timeout=aiohttp.ClientTimeout(settings.timeout_s), trust_env=True
                ) as session,
                session.request(method, settings.url + path, params=query, json=body, ssl=self._ssl) as response,
            ):
                status = response.status
                if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
                    raise RegistryError(self._refusal(f"{status} {response.reason}"))
                if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
                    raise _NoAnswerError(f"it answers {status} {response.reason}")
                try:
                    answer = await response.json(content_type=None)
                except ValueError:
                    answer = None
        except aiohttp.ClientConnectorCertificateError as error:
            trusted = settings.ca_file or "empty: the system's authorities are trusted"
            cause = getattr(error.certificate_error, "verify_message", error.certificate_error)
            raise RegistryError(
                f"the certificate of the schema registry at {settings.url} is refused: {cause} (registry.ca_file is "
                f"{trusted})"
            ) from error
        except aiohttp.ClientConnectorSSLError as error:
            raise RegistryError(
                f"the schema registry at {settings.url} does not speak TLS there: set registry.url to http:// "
                f"({error.os_error.reason})"
            ) from error
        except TimeoutError as error:
            raise _NoAnswerError(f"no answer within registry.timeout_s={settings.timeout_s:g}") from error
        except aiohttp.ClientConnectorError as error:
            raise _NoAnswerError(str(error.os_error)) from error
        except (aiohttp.ClientError, OSError) as error:
            raise _NoAnswerError(str(error) or repr(error)) from error
        is_ours = status != HTTPStatus.NOT_FOUND or (
            isinstance(answer, dict) and answer.get("error_code") in _MISSING_CODES
        )
        if not is_ours or answer is None:
            raise RegistryError(
                f"{settings.url} (registry.url) is no schema registry with Confluent's API: it answers {status} to "
                f"{method} {path}. Some have it below a path, as Apicurio below /apis/ccompat/v7"
            )
        return status, answer if isinstance(answer, dict) else {}

    async def _wait(self, cause: str) -> None:
        """Returns when it is time to ask again."""
        settings, now_s = self._settings, time.monotonic()
        if self._failing_since_s is None:
            self._failing_since_s = now_s
            log.warning(
                "waiting for the schema registry at %s (registry.url), for at most %g s (registry.max_wait_s): %s",
                settings.url,
                settings.max_wait_s,
                cause,
            )
        if now_s - self._failing_since_s >= settings.max_wait_s:
            raise RegistryError(
                f"the schema registry at {settings.url} has not answered for {settings.max_wait_s:g} s "
                f"(registry.max_wait_s): {cause}. Start it, or set registry.url; nothing is lost meanwhile"
            )
        await asyncio.sleep(_RETRY_S)

    def _refusal(self, status: str) -> str:
        settings = self._settings
        if not settings.username:
            return (
                f"the schema registry at {settings.url} answers {status}: set registry.username and "
                "INTEREST_REGISTRY__PASSWORD"
            )
        return (
            f"the schema registry at {settings.url} answers {status}: registry.username={settings.username} with "
            "registry.password (INTEREST_REGISTRY__PASSWORD) is wrong, or may not read schemas"
        )


class _NoAnswerError(Exception):
    """Another try may have an answer."""


def _registered(answer: dict[str, Any]) -> RegisteredSchema:
    return RegisteredSchema(
        str(answer.get("schemaType") or "AVRO"),
        str(answer["schema"]),
        tuple(
            Reference(str(reference["name"]), str(reference["subject"]), int(reference["version"]))
            for reference in answer.get("references") or ()
        ),
    )


def _unknown_id(schema_id: int, cause: str) -> Rejected:
    return Rejected("unknown_schema_id", f"no schema has the id {schema_id} that the record begins with: {cause}")


def status_text(status: int, answer: dict[str, Any]) -> str:
    """The status of an answer, with the reason that it gives."""
    return f"{status} {answer.get('message', '')}".strip()


def _ssl_context(settings: RegistrySettings) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=settings.ca_file or None)
    except OSError as error:  # SSLError among them
        reason = (
            "no certificates in PEM format" if isinstance(error, ssl.SSLError) else f"can't be read: {error.strerror}"
        )
        raise SettingsError([f"registry.ca_file={settings.ca_file}: {reason}"]) from error
