"""Streamlit serves the app until Ctrl-C, which is its ordinary end: `streamlit run` says "Aborted!" and calls it a failure."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click
from streamlit.web import cli


def main(options: Sequence[str]) -> int:
    """With these options of `streamlit run`; the exit status."""
    try:
        cli.main(["run", "app.py", *options], prog_name="streamlit", standalone_mode=False)
    except (click.Abort, KeyboardInterrupt):
        print("Ended.")
    except click.ClickException as error:
        error.show()
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
