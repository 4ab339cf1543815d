"""The home page; imported by the server, the ASGI application whose routes the live charts poll."""

from __future__ import annotations

import streamlit as st

from pages.parts import frame


def home() -> None:
    """What this is, what has been done so far, and the way to the first step."""
    frame.page("Fashion-MNIST Lab", "Learn how a small image classifier works.", code=(home,))
    for step in frame.STEPS:
        st.write(step.title)


if __name__ == "__main__":
    home()
else:
    app = st.App(__file__)
