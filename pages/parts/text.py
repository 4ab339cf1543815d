"""Text from people, shown in Markdown as the characters that it is; for terminals and tables: fmnist_core/runs/text.py."""

from __future__ import annotations

import re

from fmnist_core.runs.text import one_line
from fmnist_core.views.text import number as number


def plain(text: str) -> str:
    r"""`text` as Markdown that shows exactly these characters: no HTML, links, pictures, icons, colours or formulas.

    Line breaks and control characters become spaces. After ":", "@", "-" and "<", and on both sides of ".", an invisible
    U+2060 keeps Streamlit from finding icons, addresses ("www" before a point is one) and arrows in what Markdown has
    already unescaped.

    >>> print(plain("<b> **bold**").replace(chr(0x2060), ""))
    \<b\> \*\*bold\*\*
    """

    def escaped(found: re.Match[str]) -> str:
        before = "\u2060" if found[0] == "." else ""
        return f"{before}\\{found[0]}" + ("\u2060" if found[0] in ":@.-<>=~" else "")

    return re.sub(r"[!-/:-@\[-`{-~]", escaped, one_line(text))
