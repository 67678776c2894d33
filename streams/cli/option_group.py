"""Options that several commands have together, defined once: the parameters of a function.

Typer reads the options of a command from its signature, and knows no groups of them.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any

Command = Callable[..., None]


def with_options(**groups: Callable[..., Any]) -> Callable[[Command], Command]:
    """Gives a command the parameters of each group in place of its own of that name, which gets the group's result.

    No annotation may be a string, but for those of the parameters that are replaced.
    """
    options = {name: inspect.signature(group).parameters for name, group in groups.items()}

    def decorate(command: Command) -> Command:
        parameters = [
            parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for name, declared in inspect.signature(command).parameters.items()
            for parameter in (options[name].values() if name in options else [declared])
        ]

        @functools.wraps(command)
        def run_command(**values: Any) -> None:
            for name, group in groups.items():
                values[name] = group(**{option: values.pop(option) for option in options[name]})
            command(**values)

        described: Any = run_command
        described.__signature__ = inspect.Signature(parameters)
        described.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return run_command

    return decorate
