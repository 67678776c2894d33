"""Recipes: networks known by name, as files of settings in `recipe_files`."""

from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).with_name("recipe_files")
RECIPES: Final = tuple(sorted(file.stem for file in FOLDER.glob("*.toml")))
"""Their names"""
DEFAULT: Final = "default"


def recipe_file(name: str) -> Path:
    """The file of the recipe, laid out like an interest.toml."""
    return FOLDER / f"{name}.toml"


def recipe_line(name: str) -> str:
    """What the recipe is, in one line: the first comment of its file."""
    return recipe_file(name).read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
