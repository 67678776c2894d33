from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from streams.cli.option_group import with_options


def box(
    width: Annotated[int, typer.Option(min=1, help="Of the box.")] = 2,
    height: Annotated[int, typer.Option(help="Of it, too.")] = 3,
) -> tuple[int, int]:
    """Not the help of any command."""
    return width, height


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()

    @app.command()
    @with_options(size=box)
    def draw(
        name: Annotated[str, typer.Argument()],
        color: str = "red",
        *,
        size: "not a type",  # type: ignore[valid-type]  # noqa: F722 - nobody asks for it
        bold: Annotated[bool, typer.Option("--bold")] = False,
    ) -> None:
        """Draw a box."""
        typer.echo(f"{name} {color} {size} {bold}")

    return app


def test_a_command_gets_what_the_group_makes_of_its_options(app: typer.Typer) -> None:
    result = CliRunner().invoke(app, ["b", "--height", "5", "--bold"])
    assert result.output == "b red (2, 5) True\n"
    assert CliRunner().invoke(app, ["b", "--color", "blue"]).output == "b blue (2, 3) False\n"


def test_help_lists_the_options_where_the_parameter_is(app: typer.Typer) -> None:
    text = CliRunner().invoke(app, ["--help"]).output
    assert "Draw a box." in text
    places = [text.index(option) for option in ("--color", "--width", "--height", "--bold")]
    assert places == sorted(places)
    assert "--size" not in text


def test_the_options_are_checked_as_those_of_any_command(app: typer.Typer) -> None:
    result = CliRunner().invoke(app, ["b", "--width", "0"])
    assert result.exit_code == 2
    assert "--width" in result.stderr
