"""python -m pages.parts.server.class_server: make a class's words, print them with the address, start the server (`make class`)."""

from __future__ import annotations

import importlib.util
import os
import secrets
import socket
import sys

from fmnist_core.files import make_folder, to_json, write_whole
from fmnist_core.runs.bell import runs_folder
from pages.parts.server.door import WORDS, read_words
from pages.parts.server.names import ADJECTIVES, BIRDS


def new_word(pairs: int) -> str:
    """A word that can be said aloud, such as "amber-crane-417"."""
    words = [secrets.choice(some).lower() for _ in range(pairs) for some in (ADJECTIVES, BIRDS)]
    return "-".join([*words, str(secrets.randbelow(900) + 100)])


def make_words() -> dict[str, str]:
    """The words there are, or new ones; `LEARNERS` and `TEACHERS` in the environment choose them. Raises ValueError, OSError."""
    runs = runs_folder()
    make_folder(runs)
    try:
        words = read_words(runs)
    except ValueError:
        if (runs / WORDS).exists():
            raise
        words = {"learner": new_word(1), "teacher": new_word(2), "secret": secrets.token_hex(32)}
    for role, name in (("learner", "LEARNERS"), ("teacher", "TEACHERS")):
        if wish := os.environ.get(name, "").strip().lower():
            words[role] = wish
    if len(words["learner"]) < 4 or len(words["teacher"]) < 8 or words["learner"] == words["teacher"]:
        raise ValueError("The learners' word needs 4 characters, the teachers' another one with at least 8.")
    write_whole(runs / WORDS, to_json(words).encode())
    return words


def own_address() -> str:
    """The machine's address in its network, as far as it has one. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address that is nobody's (RFC 5737)
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


def main() -> int:  # noqa: RET503 - the last line never comes back
    """Print and start; ends only with a sentence where it cannot."""
    port, host = os.environ.get("PORT", "8501"), os.environ.get("HOST", "")
    try:
        words = make_words()
    except (OSError, ValueError) as error:
        print(error)
        return 1
    listens = f"{host or own_address()}:{port}"
    address = os.environ.get("ADDRESS", "").strip().rstrip("/") or f"http://{listens}"
    if importlib.util.find_spec("segno"):
        import segno

        segno.make(address, micro=False).terminal(compact=True)
    else:
        print("(A QR code is printed here after: .venv/bin/pip install -r requirements-class.txt)")
    print(f"For the class:    {address}")
    print(f"Learners' word:   {words['learner']}")
    print(f"Teachers' word:   {words['teacher']}     (keep it: teachers may change and delete every run)")
    if not address.startswith("https://"):
        print(
            "Everybody in this network can reach the door, and words travel unencrypted: docs/class.md says how to add TLS."
        )
    print("Ctrl-C ends it; runs in training go on.", flush=True)
    os.environ["FMNIST_DOOR"] = "word"
    where = [
        "--server.address",
        host or "0.0.0.0",
        "--server.port",
        port,
        "--browser.serverAddress",
        listens.rpartition(":")[0],
    ]
    os.execv(sys.executable, [sys.executable, "-m", "pages.parts.server.serve", *where, "--server.allowedHosts", "*"])


if __name__ == "__main__":
    sys.exit(main())
