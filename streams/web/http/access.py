"""Access: which roles a request has, by its token."""

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from typing import Annotated, Final, Literal

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from streams.errors import SettingsError
from streams.settings.web_section import WebSettings
from streams.web.http.problems import Problem

Role = Literal["read", "write", "erase"]
ROLES: Final[tuple[Role, ...]] = ("read", "write", "erase")
_BEARER: Final = HTTPBearer(auto_error=False, description="One of web.read_token, web.write_token, web.erase_token")

Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]


class Access:
    """Tokens and their roles. Each token has its role and `read`; without any token whoever comes has all roles."""

    def __init__(self, web: WebSettings) -> None:
        """Raises SettingsError where others than this machine could come in without a token."""
        self._digests: dict[Role, bytes] = {role: _digest(web.tokens[role]) for role in ROLES if role in web.tokens}
        if not self._digests and not web.is_loopback:
            raise SettingsError(
                [
                    f"web.host={web.host} lets other machines in: set INTEREST_WEB__READ_TOKEN (and …WRITE_TOKEN, "
                    "…ERASE_TOKEN for what may be sent and erased), or …_FILE to a file that holds it"
                ]
            )
        self.token_required = bool(self._digests)

    def roles(self, token: str | None) -> frozenset[Role]:
        """The roles of a token; compares in constant time."""
        if not self.token_required:
            return frozenset(ROLES)
        if token is None:
            return frozenset()
        digest, roles = _digest(token), set[Role]()
        for role, expected in self._digests.items():
            if hmac.compare_digest(digest, expected):
                roles |= {role, "read"}
        return frozenset(roles)

    def of_request(self) -> Callable[..., Awaitable[frozenset[Role]]]:
        """A dependency: the roles of the request; raises Problem for a token that is none."""

        async def roles(credentials: Credentials) -> frozenset[Role]:
            return self._roles(credentials)

        return roles

    def require(self, role: Role) -> Callable[..., Awaitable[frozenset[Role]]]:
        """A dependency: the roles of the request; raises Problem where `role` is none of them."""

        async def required(credentials: Credentials) -> frozenset[Role]:
            roles = self._roles(credentials)
            if role in roles:
                return roles
            if roles:
                raise Problem(403, f"this token may not do that: it needs web.{role}_token")
            raise Problem(401, "send a token: Authorization: Bearer …", _CHALLENGE)

        return required

    def _roles(self, credentials: HTTPAuthorizationCredentials | None) -> frozenset[Role]:
        token = None if credentials is None else credentials.credentials
        roles = self.roles(token)
        if token is not None and not roles:
            raise Problem(401, "this token is unknown", _CHALLENGE)
        return roles


_CHALLENGE: Final = {"WWW-Authenticate": "Bearer"}


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
