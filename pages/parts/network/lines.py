"""The class `Net` as it stands in the file, line by line."""

from __future__ import annotations

import ast
import textwrap
from html import escape

import streamlit as st

from fmnist_core.inside import fresh
from fmnist_core.settings.config import TrainingConfig
from pages.parts import show_the_code


def explanations(config: TrainingConfig) -> dict[str, str]:
    """One sentence for each statement of `Net`, by how the statement begins."""
    c1, c2, hidden = config.conv1_channels, config.conv2_channels, config.hidden_units
    return {
        "class Net": "A network is a class; nn.Module keeps track of its weights.",
        "def __init__": "What the network is made of. The controls above are these four numbers.",
        "super()": "Prepares the lists in which nn.Module keeps layers and weights.",
        "self.conv1 =": f"{c1:,} filters of 3 × 3 slide over the picture; each writes one map of where it fits.",
        "self.pool =": "Keeps the largest of each 2 × 2 values: half the height and width, nothing to learn.",
        "self.conv2 =": f"{c2:,} filters of 3 × 3, each looking at all {c1:,} maps at once.",
        "self.fc1 =": f"{hidden:,} hidden units, each a weighted sum of all {c2 * 25:,} numbers.",
        "self.fc1_drop =": f"In training each hidden unit is left out with a chance of {100 * config.dropout:.0f}\u00a0%.",
        "self.fc2 =": "Ten weighted sums of the hidden units: one score per class.",
        "def forward": "The way of N pictures through the layers.",
        "x = self.pool(F.relu(self.conv1": "Filter, set negative values to zero, halve: 28 → 26 → 13.",
        "x = self.pool(F.relu(self.conv2": "The same again: 13 → 11 → 5; the last row and column of 11 fall away.",
        "x = x.flatten": f"Lays the {c2:,} maps of 5 × 5 end to end: {c2 * 25:,} numbers per picture.",
        "x = F.relu(self.fc1": f"The {hidden:,} hidden units; negative sums become zero.",
        "x = self.fc1_drop": "Leaves units out while training, and does nothing while testing.",
        "logits": "Ten scores, called logits: the larger, the more likely the class.",
        "return": "They are not yet probabilities: the loss applies the softmax that makes them so.",
    }


def statements(source: str) -> list[str]:
    """The statements of a class, without docstrings and comments; a signature counts as one."""
    lines = source.splitlines()
    found = []

    def visit(node: ast.ClassDef | ast.FunctionDef) -> None:
        found.append("\n".join(lines[node.lineno - 1 : node.body[0].lineno - 1]))
        for child in node.body:
            if isinstance(child, ast.FunctionDef):
                visit(child)
            elif not (isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)):
                found.append(" " * child.col_offset + str(ast.get_source_segment(source, child)))

    visit(next(node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)))
    return [text.split("  #")[0].rstrip() for text in found]


def line_by_line(config: TrainingConfig) -> None:
    """The class as it stands in the file, each statement with what it does."""
    st.subheader("What each line does", anchor=False)
    why = explanations(config)
    rows = ""
    for statement in statements(show_the_code.source_of("fmnist_core.networks.net.Net")[1]):
        words = next((words for start, words in why.items() if statement.strip().startswith(start)), "")
        depth = len(statement) - len(statement.lstrip())
        code = escape(textwrap.dedent(statement))
        rows += (
            f'<div style="padding-left:calc({depth} * var(--indent))"><pre>{code}</pre></div><div>{escape(words)}</div>'
        )
    st.html(f'<div class="lines">{rows}</div>')


def printed(config: TrainingConfig) -> None:
    """What the tutorial's `print(net)` prints."""
    st.subheader("print(net)", anchor=False)
    st.code(fresh.printed(config), language=None, wrap_lines=True)
