"""Text from people: names, owners and notes, as they may be kept, printed and put into a table."""

from __future__ import annotations

import re
import unicodedata

JOINERS = "\u200c\u200d"
"""Zero-width non-joiner and joiner: Persian words and emoji of several signs are made with them."""
REPLACED = {"Cc": " ", "Cf": "", "Cs": "\ufffd", "Co": "\ufffd", "Zl": " ", "Zp": " "}
"""What takes the place of characters of a category: control, invisible format, surrogates, private use, line ends."""
FORMULA = "=+-@＝＋－＠\t\r"
"""With these a cell begins that a spreadsheet computes."""


def one_line(text: str) -> str:
    r"""`text` on one line, without control characters and direction marks; joiners stay.

    So it cannot move a terminal's cursor, turn the words after it around, or break a line of a list.

    >>> one_line("a\x1b[2J\nb \u202e c"), one_line("علی\u200cرضا") == "علی\u200cرضا"
    ('a [2J b c', True)
    """
    kept = "".join(c if c in JOINERS else REPLACED.get(unicodedata.category(c), c) for c in text)
    return re.sub(r"[^\S\u00a0]+", " ", kept).strip()


def lines(text: str) -> str:
    r"""`text` as `one_line`, but with its line breaks.

    >>> lines("first\r\nsecond\x00")
    'first\nsecond'
    """
    return "\n".join(map(one_line, text.splitlines())).strip()


def cell(text: str) -> str:
    """`text` for a table that a spreadsheet opens: an invisible U+2060 before what it would take for a formula.

    >>> cell("=1+1") == chr(0x2060) + "=1+1", cell("Run 3")
    (True, 'Run 3')
    """
    return f"\u2060{text}" if text[:1] and text[0] in FORMULA else text
