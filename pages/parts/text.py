"""Text from people, shown in Markdown as the characters that it is; for terminals and tables: fmnist_core/runs/text.py."""

from __future__ import annotations

import re
from typing import Any

from fmnist_core.numbers import decimal as decimal
from fmnist_core.numbers import number as number
from fmnist_core.numbers import signed as signed
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


def epochs(number: float) -> str:
    """So many epochs.

    >>> epochs(1.0), epochs(0.8267), epochs(20)
    ('1 epoch', '0.827 epochs', '20 epochs')
    """
    return f"{number:.3g} epoch{'s' * (number != 1)}"


def change(difference: float, digits: int, unit: str = "", *, less_is_better: bool = False) -> dict[str, Any]:
    """For `st.metric`: a difference with its sign, green for better, red for worse, gray where it rounds to nothing.

    The colour is named because `st.metric` knows no other minus than the hyphen.

    >>> change(-0.5, 2, " points")
    {'delta': '−0.50 points', 'delta_color': 'red', 'delta_arrow': 'down'}
    """
    if not round(difference, digits):
        return {"delta": "no change", "delta_color": "off", "delta_arrow": "off"}
    is_better = (difference < 0) == less_is_better
    return {
        "delta": f"{signed(difference, digits)}{unit}",
        "delta_color": "green" if is_better else "red",
        "delta_arrow": "up" if difference > 0 else "down",
    }
