"""`fashion-mnist-lab recipes`: settings that have a name."""

from __future__ import annotations

import click

from fmnist_core.settings.recipes import RECIPES
from fmnist_core.terminal import printing


@click.command()
@click.option("--json", "as_json", is_flag=True, help="JSON for programs, with the keys of docs/terminal.md.")
def recipes(as_json: bool) -> None:
    """Settings that have a name, and what one learns from them."""
    if as_json:
        printing.as_json(
            [
                {
                    "name": name,
                    "title": recipe.title,
                    "teaches": recipe.teaches,
                    "minutes": recipe.minutes,
                    "accuracy": recipe.accuracy,
                    "config": recipe.config.to_dict(),
                }
                for name, recipe in RECIPES.items()
            ]
        )
        return
    for name, recipe in RECIPES.items():
        known = f", {recipe.accuracy:.2%} on {recipe.seeds} seeds" if recipe.accuracy else ""
        takes = _about(recipe.minutes)
        click.echo(f"{click.style(name, bold=True)}  about {takes} on two CPU cores{known}")
        click.echo(click.wrap_text(recipe.teaches, 96, "    ", "    "))
    click.echo("\nTrain one: fashion-mnist-lab runs start --recipe fast --follow")


def _about(minutes: float) -> str:
    """Minutes in words.

    >>> _about(0.02), _about(1.2), _about(60_000)
    ('1 s', '1.2 min', '1,000 h')
    """
    if minutes < 1:
        return f"{60 * minutes:.0f} s"
    return f"{minutes:g} min" if minutes < 120 else f"{minutes / 60:,.0f} h"
