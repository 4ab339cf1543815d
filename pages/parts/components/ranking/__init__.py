"""A table that its headings sort and whose rows lead somewhere, for the mouse, the keyboard and screen readers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from pages.parts.components import load

_component = load("ranking", styles=["scrolling.css"])


@dataclass(frozen=True)
class Column:
    """A heading."""

    label: str
    key: str = ""
    """The word for the address; empty where nothing can be sorted."""
    help: str = ""
    number: bool = False
    wide: bool = False


@dataclass(frozen=True)
class Row:
    """A line. Texts are shown as they are: no Markdown, no HTML."""

    cells: Sequence[str]
    link: str = ""
    """Where the first cell leads: a page of ours, as `address.link` gives it, or an https address, which opens a new tab."""
    note: str = ""
    """Small, below the first cell."""
    is_shaded: bool = False
    """Stands out."""


def ranking(
    columns: Sequence[Column], rows: Sequence[Row], *, sorted_by: str, descending: bool, label: str, key: str
) -> str | None:
    """Show the rows in the order given; the key of the heading that was just chosen, else None."""
    result = _component(
        key=key,
        data={
            "columns": [asdict(column) for column in columns],
            "rows": [asdict(row) for row in rows],
            "sorted": sorted_by,
            "descending": descending,
            "label": label,
        },
        on_sort_change=lambda: None,
    )
    return next((column.key for column in columns if column.key and column.key == result.sort), None)
