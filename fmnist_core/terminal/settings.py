"""Every setting of a run as an option, with its help, range and default."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, TypeVar

import click

from fmnist_core.settings.config import SETTINGS, TrainingConfig
from fmnist_core.settings.ranges import Word

Command = TypeVar("Command", bound=Callable[..., Any])

METAVARS = {int: "N", float: "X", str: "WORD"}


def setting_options(instead: str = "") -> Callable[[Command], Command]:
    """An option for each setting. `instead`: what holds where an option is not given, in place of the default."""

    def decorate(command: Command) -> Command:
        for field in reversed(fields(TrainingConfig)):
            setting, default = SETTINGS[field.name], field.default
            name = field.name.replace("_", "-")
            otherwise = instead or f"default {_shown(default)}"
            if isinstance(default, bool):
                declaration, words = f"--{name}/--no-{name}", otherwise
                option = click.option(declaration, field.name, default=None, help=f"{setting.help} [{words}]")
            else:
                metavar = "|".join(setting.range.names) if isinstance(setting.range, Word) else METAVARS[type(default)]
                wanted = "" if isinstance(setting.range, Word) else f"{setting.range.wanted}; "
                option = click.option(
                    f"--{name}", field.name, type=type(default), default=None, metavar=metavar,
                    help=f"{setting.help} [{wanted}{otherwise}]",
                )  # fmt: skip
            command = option(command)
        return command

    return decorate


def with_settings(base: TrainingConfig, given: dict[str, object]) -> TrainingConfig:
    """`base` with the options that were given. Raises ValueError for a value out of its range."""
    return replace(base, **{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]


def _shown(value: object) -> str:
    match value:
        case bool():
            return "on" if value else "off"
        case int():
            return f"{value:,}"
    return str(value)
