"""A drawing as an SVG: `st.html` removes those. Text takes the theme's colour, so light and dark need one drawing."""

from __future__ import annotations

import streamlit as st

_DRAWING = st.components.v2.component(
    "drawing",
    html='<div class="wide"></div><div class="narrow"></div>',
    css="""
    :host, div { color: var(--st-text-color); font-family: var(--st-font); }
    .narrow { display: none; }
    @media (max-width: 760px) { .wide { display: none; } .narrow { display: block; } }
    """,
    js="""
    export default ({ data, parentElement }) => {
      for (const width of ["wide", "narrow"]) {
        parentElement.querySelector("." + width).innerHTML = data[width];
      }
    }
    """,
)


def drawing(*, wide: str, narrow: str, key: str) -> None:
    """Show an SVG, `wide` from 760 pixels of screen on, `narrow` below. Both are markup of our own, with text escaped."""
    _DRAWING(data={"wide": wide, "narrow": narrow}, key=key)
