"""Whether this server asks who somebody is, and how the door tells the rest of the program. No Streamlit, no Starlette.

`FMNIST_DOOR` chooses: empty, nobody asks; `word`, the class's words (`door.py`, `make class`); `header:NAME`, a proxy with
a login of its own, such as oauth2-proxy, says it in the header NAME, and `FMNIST_TEACHERS` lists who is a teacher.
"""

from __future__ import annotations

import json
import os
import re
from urllib.parse import quote, unquote

from fmnist_core.runs.people import Person
from fmnist_core.runs.text import one_line

HEADER = "x-fmnist-person"
"""Set by the door alone: what a browser sends under this name is thrown away."""
FIELD = "fmnist_person"
"""Where `server.trustedUserHeaders` in .streamlit/config.toml puts it for pages."""
LONGEST = 40
"""Characters of a name."""


def is_guarded() -> bool:
    """Whether somebody asks at all."""
    return bool(os.environ.get("FMNIST_DOOR"))


def proxys_header() -> str | None:
    """The header in which a proxy says who somebody is; None where the door asks itself. Raises ValueError for another mode."""
    mode = os.environ.get("FMNIST_DOOR", "")
    if mode in ("", "word"):
        return None
    if named := re.fullmatch(r"header:([A-Za-z0-9-]{1,60})", mode):
        return named[1].lower()
    raise ValueError(f"FMNIST_DOOR must be word or header:NAME, got {mode!r}")


def tell(person: Person) -> str:
    """As the header's value.

    >>> told(tell(Person("3f", "Zoë", "learner")))
    Person(id='3f', name='Zoë', role='learner')
    """
    return quote(json.dumps([person.id, person.name, person.role]))


def told(value: str) -> Person | None:
    """Back from the header's value; None where it is not one."""
    try:
        identity, name, role = json.loads(unquote(value))
    except ValueError:
        return None
    return Person(str(identity), str(name), "teacher" if role == "teacher" else "learner")


def tidy(name: str) -> str:
    """A name in one line of at most `LONGEST` characters."""
    return one_line(name[: 4 * LONGEST])[:LONGEST].strip()
