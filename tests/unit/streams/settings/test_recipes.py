import pytest

from models.config import ModelConfig
from streams.settings.recipes import FOLDER, RECIPES, recipe_line
from streams.settings.settings import Settings, recipe_settings


def test_there_is_a_network_for_each_purpose() -> None:
    assert RECIPES == ("default", "fusion", "fusion-scaled", "horizon", "language", "long-short", "matching")
    assert recipe_settings("default") == Settings()


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_says_in_one_line_what_it_is(name: str) -> None:
    text = (FOLDER / f"{name}.toml").read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert 20 < len(recipe_line(name)) <= 118
    assert max(map(len, text.splitlines())) <= 120
    assert sum(recipe_line(name) == recipe_line(other) for other in RECIPES) == 1


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_turns_only_network_and_learning_and_each_line_does_something(name: str) -> None:
    settings, defaults = recipe_settings(name), {row.key: row.value for row in Settings().explain()}
    turned = {row.key: row.value for row in settings.explain() if row.source == f"recipe {name}"}
    assert all(key.startswith(("model.", "learning.")) and value != defaults[key] for key, value in turned.items())
    assert bool(turned) == (name != "default")


def test_networks_of_recipes_speak_alone_and_differ() -> None:
    models: list[ModelConfig] = [recipe_settings(name).model for name in RECIPES]
    assert [name for name, model in zip(RECIPES, models, strict=True) if model.experts] == ["default"]
    assert len(set(models)) == len(RECIPES)
    assert recipe_settings("horizon").model.num_layers == 2
    assert [name for name, model in zip(RECIPES, models, strict=True) if model.long_term] == ["long-short"]
