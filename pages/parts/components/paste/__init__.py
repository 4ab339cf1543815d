"""Pictures from the clipboard."""

from __future__ import annotations

import base64
import binascii

from fmnist_core.data.brought.files import MOST_BYTES
from pages.parts.components import load

_component = load("paste")


def paste(*, key: str) -> list[tuple[str, bytes]]:
    """A field that takes pasted or dropped files; (name, content) of those that came just now."""
    result = _component(key=key, data={"mostBytes": MOST_BYTES}, on_pasted_change=lambda: None)
    files = []
    for sent in result.pasted or ():
        try:
            files.append((str(sent["name"]), base64.b64decode(sent["content"], validate=True)))
        except (KeyError, TypeError, binascii.Error, ValueError):
            continue  # not from our own script
    return files
