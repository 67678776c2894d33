"""Names of event types that look like a request to erase a user, which must never count as any other event."""

import re
from typing import Final

_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_ERASING: Final = re.compile(r"delet(e|ed|es|ing|ion)|eras(e|ed|es|ing|ure)|forget|forgotten")
_SUBJECTS: Final = frozenset({"user", "users", "customer", "account", "gdpr", "me"})
_JOINED: Final = re.compile(
    r"(delete|erase|forget)(user|customer|account|me$)|(user|customer|account|gdpr)(delet|erase|erasure|forget)"
)


def may_ask_for_erasure(name: str) -> bool:
    """Whether the name has a word for erasing, and one for a user: `user_delete_request`, `ForgetMe`, `eraseuser2`."""
    words = {word.casefold() for word in _WORD.findall(name)}
    if not words.isdisjoint(_SUBJECTS) and any(map(_ERASING.fullmatch, words)):
        return True
    return _JOINED.search(name.casefold()) is not None
