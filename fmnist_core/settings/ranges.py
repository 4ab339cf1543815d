"""What a value may be: which ones a range holds, how it is read from text and written as text, and what it wants, in words.

The settings of a run and the parameters of the address are both made of these, so that the core, the pages and the
terminal refuse the same values with the same words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

LONGEST = 40
"""Characters of a number; longer ones are not read."""


@dataclass(frozen=True)
class Whole:
    """A whole number from `low` to `high`.

    >>> Whole(1, 200).read("20"), Whole(1, 200).read("٣"), Whole(1, 200).wanted
    (20, None, 'a whole number from 1 to 200')
    """

    low: int
    high: int

    @property
    def wanted(self) -> str:
        """After "must be"."""
        return f"a whole number from {self.low:,} to {self.high:,}"

    def holds(self, value: object) -> bool:
        """Whether `value` is one of them; a bool and 1.0 are not."""
        return type(value) is int and self.low <= value <= self.high

    def read(self, text: str) -> int | None:
        """The number that `text` says in ASCII digits; None where it is none of these."""
        number = int(text) if len(text) <= LONGEST and re.fullmatch(r"-?[0-9]+", text) else None
        return number if self.holds(number) else None


@dataclass(frozen=True)
class Real:
    """A number from `low` to `high`; without these two where they are `open`.

    >>> Real(0, 1, open_high=True).read("0.995"), Real(0, 1, open_high=True).read("1"), Real(0, 1, open_high=True).wanted
    (0.995, None, 'at least 0 and below 1')
    """

    low: float
    high: float
    open_low: bool = False
    open_high: bool = False

    @property
    def wanted(self) -> str:
        """After "must be"."""
        low = f"{'above' if self.open_low else 'at least'} {self.low:g}"
        return f"{low} and {'below' if self.open_high else 'at most'} {self.high:g}"

    def holds(self, value: object) -> bool:
        """Whether `value` is one of them; a bool, nan and inf are not."""
        if not isinstance(value, int | float) or isinstance(value, bool):
            return False
        above = self.low < value if self.open_low else self.low <= value
        return above and (value < self.high if self.open_high else value <= self.high)

    def read(self, text: str) -> float | None:
        """The number that `text` says in ASCII digits, such as "1e-3"; None where it is none of these."""
        is_number = len(text) <= LONGEST and re.fullmatch(
            r"-?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]{1,3})?", text, re.IGNORECASE
        )
        number = float(text) if is_number else None
        return number if self.holds(number) else None


@dataclass(frozen=True)
class Word:
    """One of a few words, each with the name that a page shows."""

    names: Mapping[str, str]

    @property
    def wanted(self) -> str:
        """After "must be"."""
        return f"one of {', '.join(self.names)}"

    def holds(self, value: object) -> bool:
        """Whether `value` is one of them."""
        return isinstance(value, str) and value in self.names

    def read(self, text: str) -> str | None:
        """`text`; None where it is none of these."""
        return text if text in self.names else None


@dataclass(frozen=True)
class Switch:
    """On or off.

    >>> Switch().read("true"), Switch().read("1")
    (True, None)
    """

    wanted: str = "true or false"

    def holds(self, value: object) -> bool:
        """Whether `value` is a bool."""
        return type(value) is bool

    def read(self, text: str) -> bool | None:
        """What "true" and "false" say; None for all else."""
        return {"true": True, "false": False}.get(text)


@dataclass(frozen=True)
class Text:
    """Printable text of a limited length, whose meaning is looked up elsewhere, such as the id of a run."""

    longest: int

    @property
    def wanted(self) -> str:
        """After "must be"."""
        return f"at most {self.longest:,} printable characters"

    def holds(self, value: object) -> bool:
        """Whether `value` is one."""
        return isinstance(value, str) and len(value) <= self.longest and value.isprintable()

    def read(self, text: str) -> str | None:
        """`text`; None where it is none of these."""
        return text if self.holds(text) else None


Range = Whole | Real | Word | Switch | Text


def as_text(value: object) -> str:
    """A value as `read` takes it back, without loss.

    >>> as_text(True), as_text(1.0), as_text(1e-12), as_text(0.1 + 0.2)
    ('true', '1', '1e-12', '0.30000000000000004')
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and float(f"{value:g}") == value:
        return f"{value:g}"
    return str(value)
