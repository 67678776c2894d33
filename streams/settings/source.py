"""Where the settings of one command come from: a recipe, a file and overrides, read when they are first needed."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streams.settings.settings import Settings


@dataclass(slots=True)
class CommandLine:
    """Where this call's settings come from; they are read when a command asks for them."""

    config: Path | None = None
    overrides: list[str] = field(default_factory=list)
    recipe: str | None = None
    loaded: "Settings | None" = None

    def settings(self) -> "Settings":
        """The settings; `SettingsError` names every fault."""
        from streams.settings.settings import load_settings

        self.loaded = load_settings(self.config, self.overrides, self.recipe)
        return self.loaded
