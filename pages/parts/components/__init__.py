"""Browser components, a folder each: `name/__init__.py` is called by pages, `name.html`, `.css` and `.js` are the browser's.

One loader for all of them. JavaScript and style sheets that several need are here: `streamlit.js` goes before all others.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st
from streamlit.components.v2.types import ComponentRenderer

_HERE = Path(__file__).parent


def load(
    name: str, *, scripts: Sequence[str] = (), styles: Sequence[str] = (), isolate_styles: bool = True
) -> ComponentRenderer:
    """The component in the folder `name`. `scripts`, `styles`: what goes before its own JavaScript and style
    sheet, relative to this folder.

    `isolate_styles`: False for plotly.js, which puts its own style sheet into the document.
    """

    def text(path: str) -> str:
        return (_HERE / path).read_text(encoding="utf-8")

    return st.components.v2.component(
        name,
        html=text(f"{name}/{name}.html"),
        css="\n".join(map(text, (*styles, f"{name}/{name}.css"))),
        js="\n".join(map(text, ("streamlit.js", *scripts, f"{name}/{name}.js"))),
        isolate_styles=isolate_styles,
    )
