"""Which of our modules imports which, read from the source: also inside functions, also lazily."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src"


def modules() -> dict[str, Path]:
    """Every module of ours by its name."""
    found = {}
    for path in sorted((SOURCE / "confide").rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def typing_block(tree: ast.Module) -> list[ast.ImportFrom]:
    """What a module imports for type checkers alone."""
    return [
        node
        for block in tree.body
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in block.body
        if isinstance(node, ast.ImportFrom)
    ]


def homes(tree: ast.Module) -> dict[str, tuple[str, ...]] | None:
    """The table that a package gives to `attach`: the names of each module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "attach":
            table: dict[str, tuple[str, ...]] = ast.literal_eval(node.args[1])
            return table
    return None


def graph(trees: Mapping[str, ast.Module]) -> dict[str, dict[str, str]]:
    """For each module the modules that it imports when it runs, and where.

    A name that a package gives lazily counts as an import of the module that it comes from: the
    package does not import it.
    """
    lazily = {
        f"{package}.{name}": home
        for package, tree in trees.items()
        for home, names in (homes(tree) or {}).items()
        for name in names
    }
    return {
        module: {
            target: place
            for name, place in _imported(tree)
            if (target := _module_of(name, trees, lazily)) not in (None, module)
        }
        for module, tree in trees.items()
    }


def _imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Full names, and the function in which they are imported."""
    for_types = {id(node) for node in typing_block(tree)}
    places = {
        id(inner): function.name
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(function)
    }
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        place = places.get(id(node), "")
        if isinstance(node, ast.Import):
            yield from ((alias.name, place) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((f"{node.module}.{alias.name}", place) for alias in node.names)


def _module_of(name: str, trees: Mapping[str, ast.Module], lazily: Mapping[str, str]) -> str | None:
    while name in lazily:
        home = lazily[name]
        name = f"{home}.{name.rpartition('.')[2]}"
    while name and name not in trees:
        name = name.rpartition(".")[0]
    return name or None


def circles(edges: Mapping[str, Mapping[str, str]]) -> list[list[str]]:
    """Sets of modules that import each other, however far apart (Tarjan 1972)."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        number[module] = lowest[module] = len(number)
        stack.append(module)
        for target in edges[module]:
            if target not in number:
                visit(target)
                lowest[module] = min(lowest[module], lowest[target])
            elif target in stack:
                lowest[module] = min(lowest[module], number[target])
        if lowest[module] == number[module]:
            at = stack.index(module)
            if len(stack) - at > 1:
                found.append(sorted(stack[at:]))
            del stack[at:]

    for module in edges:
        if module not in number:
            visit(module)
    return found
