"""Text from people, shown in Markdown as the characters that it is; for terminals and tables: fmnist_core/runs/text.py."""

from __future__ import annotations

import re

import numpy as np

from fmnist_core.runs.text import one_line


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


def number(value: float) -> str:
    """A number for a page: no exponent, and no digits that only rounding put there.

    >>> number(1e-05), number(0.1), number(10.0), number(1.2345e-9), number(0.1 + 0.2)
    ('0.00001', '0.1', '10', '0.0000000012345', '0.3')
    """
    text = f"{value:.6g}"
    return np.format_float_positional(float(text), trim="-") if "e" in text else text
