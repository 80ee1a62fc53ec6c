"""No code of the package reads prose: errors and findings carry what the code needs, beside the text for people."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "rhovideo"

# Modules that are left out. First those that read what another program prints for people, since it says it in no other
# way; then those whose texts with a blank are no prose.
LEFT_OUT = {
    "launch/slurm/job_queue.py": "squeue, sacct and scancel",
    "launch/slurm/submitit_adapter.py": "sbatch's line with the number of the job",
    "config/files/values.py": "names of types, such as `float list`",
    "engine/log/json_stats.py": "the lines of numbers in a log: `json_stats: {...}`, as PySlowFast has them",
    "engine/log/logging_setup.py": "the name of a log handler",
    "report/drawing.py": "the markup of a drawing",
}
# Methods that take a text apart or look for something in it, when they get an argument: `" ".join(text.split())` only
# lays it out, as strip and splitlines do.
READING = {
    *("startswith", "endswith", "removeprefix", "removesuffix", "partition", "rpartition"),
    *("find", "rfind", "index", "rindex", "count", "replace", "split", "rsplit"),
}
# Functions of re, and methods of its patterns.
SEARCHING = {"match", "search", "fullmatch", "findall", "finditer", "sub"}
# Attributes that hold sentences for people.
SENTENCES = {"wrong", "write", "summary", "why", "why_not", "trouble", "note", "reason", "traceback"}
# Two words, or a word and the blank that parts it from the next one.
PROSE = re.compile(r"[A-Za-z]{2,}[.,:;]? | [A-Za-z]{2,}")


class Reader(ast.NodeVisitor):
    """Lists the places of a module where code reads prose."""

    def __init__(self, tree: ast.Module) -> None:
        self.places: list[tuple[int, str]] = []
        self._texts: set[str] = set()  # names of caught errors, and of texts made of them
        self._constants = {
            target.id: node.value
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        self.visit(tree)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        before = set(self._texts)
        if node.name:
            self._texts.add(node.name)
        self.generic_visit(node)
        self._texts = before

    def visit_Assign(self, node: ast.Assign) -> None:
        if self._is_message(node.value):
            self._texts |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Attribute):
            texts = [node.func.value, *node.args]
            of_re = node.func.attr in SEARCHING
            if of_re or (node.func.attr in READING and node.args):
                prose = any(map(self._is_prose, texts))
                if prose or any(map(self._is_message, node.args if of_re else texts)):
                    self._found(node)
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        membership = isinstance(node.ops[0], (ast.In, ast.NotIn))
        if membership or isinstance(node.ops[0], (ast.Eq, ast.NotEq)):
            sides = [node.left, *node.comparators]
            if any(map(self._is_prose, sides[:1] if membership else sides)) or any(map(self._is_error_text, sides)):
                self._found(node)
        self.generic_visit(node)

    def _found(self, node: ast.expr) -> None:
        self.places.append((node.lineno, ast.unparse(node)))

    def _is_prose(self, node: ast.expr) -> bool:
        """Whether an expression is a text, or several, with words in it: here, or in a constant of the module."""
        if isinstance(node, ast.Name):
            node = self._constants.get(node.id, node)
        if isinstance(node, ast.Call):
            return False
        return any(
            isinstance(part, ast.Constant) and isinstance(part.value, str) and PROSE.search(part.value) is not None
            for part in ast.walk(node)
        )

    def _is_error_text(self, node: ast.expr) -> bool:
        """Whether an expression is the text of a caught error."""
        if isinstance(node, ast.Name):
            return node.id in self._texts
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("str", "repr"):
            return any(map(self._is_error_text, node.args))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            return node.func.attr in ("lower", "upper", "strip") and self._is_error_text(node.func.value)
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Attribute) and node.value.attr == "args":
            return self._is_error_text(node.value.value)
        return isinstance(node, ast.Subscript) and self._is_error_text(node.value)

    def _is_message(self, node: ast.expr) -> bool:
        """Whether an expression is the text of a caught error, or an attribute that holds a sentence."""
        return self._is_error_text(node) or (isinstance(node, ast.Attribute) and node.attr in SENTENCES)


def places(source: str) -> list[tuple[int, str]]:
    return Reader(ast.parse(source)).places


def _modules() -> Iterator[Path]:
    return (path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).as_posix() not in LEFT_OUT)


def test_no_code_reads_prose():
    found = [f"{path}:{line}: {text}" for path in _modules() for line, text in places(path.read_text(encoding="utf-8"))]
    assert found == [], "give the error or the finding an attribute instead"


@pytest.mark.parametrize(
    "source",
    [
        'same = finding.wrong.partition(" has ")[2]',
        'said = str(error).removeprefix("DATA.DECODING_BACKEND is ")',
        "try: f()\nexcept ValueError as error:\n    key = next(iter(re.findall(KEY, str(error))))",
        "try: f()\nexcept ValueError as error:\n    text = str(error)\n    key = KEY.search(text)",
        'try: f()\nexcept ValueError as error:\n    if "GLOBAL" in str(error): raise',
        "try: f()\nexcept ValueError as error:\n    if error.args[0] == 'x': raise",
        'lines = [line for line in text.splitlines() if not re.match(r"attempt \\d+ of job", line)]',
        'TOLD = ("is not there", "is gone")\nif any(text.startswith(TOLD) for text in texts): pass',
        "if run.why.startswith(run.state): pass",
        'if told == "no figure to compare with": pass',
    ],
)
def test_code_that_reads_prose_is_found(source):
    assert len(places(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "try: f()\nexcept ValueError as error:\n    print(' '.join(str(error).split()) or type(error).__name__)",
        'if name.startswith("momentum."): pass',
        'if word in ("--cfg", "some words"): pass',
        'text = f"{finding.wrong}: write {finding.write}"',
        "try: f()\nexcept KeyboardInterrupt as interrupt:\n    if interrupt.args != (MARK,): raise",
        'fields = line.split(" ")',
    ],
)
def test_code_that_writes_prose_or_reads_names_is_not(source):
    assert places(source) == []
