"""Text from people, shown as the characters that it is: in Markdown, in a terminal, in a table that a spreadsheet opens."""

from __future__ import annotations

import re
import unicodedata

JOINERS = "\u200c\u200d"
"""Zero-width non-joiner and joiner: Persian words and emoji of several signs are made with them."""


def tidy(text: str) -> str:
    """`text` on one line, without control characters, direction marks and unassigned code points; joiners stay."""
    return "".join(c if c in JOINERS or unicodedata.category(c)[0] != "C" else " " for c in text)


def plain(text: str) -> str:
    r"""`text` as Markdown that shows exactly these characters: no HTML, links, pictures, icons, colours or formulas.

    Line breaks and control characters become spaces. After ":", "@", ".", "-" and "<" an invisible U+2060 keeps
    Streamlit from finding icons, addresses and arrows in what Markdown has already unescaped.

    >>> print(plain("<b> **bold**").replace(chr(0x2060), ""))
    \<b\> \*\*bold\*\*
    """
    return re.sub(r"[!-/:-@\[-`{-~]", lambda m: f"\\{m[0]}" + ("\u2060" if m[0] in ":@.-<>=~" else ""), tidy(text))
