"""Environment of a child process whose settings are in a file."""

from collections.abc import Mapping

from streams.settings.settings import ENVIRONMENT_PREFIX, KEYS, is_secret


def without_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without the variables of settings, but for those of secrets: no file may hold these."""
    kept = dict(environment)
    for name in environment:
        key = name.removeprefix(ENVIRONMENT_PREFIX).lower().replace("__", ".", 1)
        if name.startswith(ENVIRONMENT_PREFIX) and key in KEYS and not is_secret(key):
            del kept[name]
    return kept
