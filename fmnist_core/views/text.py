"""Names as Plotly shows them; numbers: fmnist_core/numbers.py."""

from __future__ import annotations


def shown(name: str) -> str:
    """`name` for Plotly, which reads some HTML in names, and "%{…}" in what is shown under the mouse: as it is.

    >>> shown("<b> & %{y}").replace(chr(0x2060), "|")
    '&lt;b> &amp; %|{y}'
    """
    return name.replace("&", "&amp;").replace("<", "&lt;").replace("%{", "%\u2060{")
