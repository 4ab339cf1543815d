"""Our own source as a notebook quotes it: without annotations, examples and notes to checkers.

What a notebook shows is then what trained, not a second version of it.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

CORE = Path(__file__).parents[1]

_NOTES = re.compile(r"  # (?:type: ignore|noqa)\S*(?: - [^\n]*)?")
_ONE_LINE = re.compile(r'("""[^"\n]+)\n *"""')
_EXAMPLES = re.compile(r"\n\n *>>> .*?(?=\n *\"\"\"|\n\n)", re.DOTALL)


def quoted(module: str, *names: str) -> str:
    """The definitions of `names` (classes, functions, constants) in a file of the core, such as "networks/net.py".

    >>> print(quoted("settings/schedules.py", "WARM_UP"))
    WARM_UP = 0.2
    """
    text = (CORE / module).read_text(encoding="utf-8")
    tree = ast.parse(text)
    found = ""
    for before, name in zip(("", *names), names, strict=False):
        node = _definition(tree, name)
        is_list = before and all(isinstance(n, ast.Assign | ast.AnnAssign) for n in (node, _definition(tree, before)))
        found += ("\n" if is_list else "\n\n\n" if before else "") + _cleaned(text, node)
    return found


def _definition(tree: ast.Module, name: str) -> ast.stmt:
    for node in tree.body:
        match node:
            case ast.ClassDef(name=found) | ast.FunctionDef(name=found) if found == name:
                return node
            case ast.Assign(targets=[target]) if name in ast.unparse(target).replace("(", "").replace(")", "").split(
                ", "
            ):
                return node
            case ast.AnnAssign(target=ast.Name(id=found)) if found == name:
                return node
    raise KeyError(name)


def _cleaned(text: str, node: ast.stmt) -> str:
    """The source of `node`: annotations cut out from the end to the beginning, so that places stay where they are."""
    lines = text.encode().splitlines(keepends=True)
    offsets = [0]
    for line in lines:
        offsets.append(offsets[-1] + len(line))
    source = text.encode()

    def at(line: int | None, column: int | None) -> int:
        return offsets[(line or 1) - 1] + (column or 0)

    cuts: list[tuple[int, int, bytes]] = []
    for part in ast.walk(node):
        match part:
            case ast.arg(annotation=ast.expr() as note):
                begin, end = at(part.lineno, part.col_offset) + len(part.arg), at(note.end_lineno, note.end_col_offset)
                has_default = source[end : end + 3] == b" = "
                cuts.append((begin, end + 3, b"=") if has_default else (begin, end, b""))
            case ast.FunctionDef(returns=ast.expr() as note):
                end = at(note.end_lineno, note.end_col_offset)
                cuts.append((source.rindex(b" ->", 0, at(note.lineno, note.col_offset)), end, b""))
            case ast.AnnAssign(value=ast.expr(), target=target):
                note = part.annotation
                end = at(note.end_lineno, note.end_col_offset)
                cuts.append((at(target.end_lineno, target.end_col_offset), end, b""))
    decorators = getattr(node, "decorator_list", [])
    begin = at(min([node.lineno, *(d.lineno for d in decorators)]), 0)
    end = at(node.end_lineno, node.end_col_offset)
    for first, last, instead in sorted(cuts, reverse=True):
        source = source[:first] + instead + source[last:]
        end -= last - first - len(instead)
    found = _EXAMPLES.sub("", _NOTES.sub("", source[begin:end].decode()))
    return _ONE_LINE.sub(r'\1"""', found)
