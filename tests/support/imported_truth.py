"""Where Python itself says that a name of an installed package is defined: the truth to measure engines by."""

import ast
import importlib
import inspect
import json
import sys
import warnings
from pathlib import Path


def bound_inside(tree: ast.Module) -> dict[ast.AST, set[str]]:
    """Names bound in a function, a lambda, a comprehension or a class, for every node inside one."""
    found: dict[ast.AST, set[str]] = {}

    def visit(node: ast.AST, bound: set[str]) -> None:
        scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda
        if isinstance(node, scope | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            inner = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
            inner |= {n.arg for n in ast.walk(node) if isinstance(n, ast.arg)}
            inner |= {
                n.name
                for n in ast.walk(node)
                if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and n is not node
            }
            inner |= {
                (alias.asname or alias.name).split(".")[0]
                for n in ast.walk(node)
                if isinstance(n, ast.Import | ast.ImportFrom)
                for alias in n.names
            }
            bound = bound | inner
        found[node] = bound
        for child in ast.iter_child_nodes(node):
            visit(child, bound)

    visit(tree, set())
    return found


def definition_line(value: object) -> tuple[str, int] | None:
    """The file and the line of `def` or `class` of an imported function or class; None for anything else."""
    if not (inspect.isfunction(value) or inspect.isclass(value)) or hasattr(value, "__wrapped__"):
        return None
    try:
        lines, start = inspect.getsourcelines(value)
        file = inspect.getsourcefile(value)
    except (OSError, TypeError):
        return None
    for offset, line in enumerate(lines):
        if line.lstrip().startswith(("def ", "class ", "async def ")):
            return (file, start + offset) if file else None
    return None


def truths(package: str) -> list[dict[str, object]]:
    """Uses of global names of a package, with the place that the imported object itself names."""
    top = importlib.import_module(package)
    root = Path(str(top.__file__)).parent
    rows: list[dict[str, object]] = []
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if "test" in name or name.endswith("__main__"):
            continue
        try:
            module = importlib.import_module(name)
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except Exception:  # noqa: BLE001 - a module that cannot be imported tells no truth
            continue
        inside = bound_inside(tree)
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)) or node.id in inside[node]:
                continue
            place = definition_line(vars(module).get(node.id))
            if place and Path(place[0]).is_relative_to(root):
                rows.append(
                    {
                        "symbol": node.id,
                        "file": path.relative_to(root.parent).as_posix(),
                        "line": node.lineno,
                        "truth": [Path(place[0]).relative_to(root.parent).as_posix(), place[1]],
                    }
                )
    return rows


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(json.dumps({package: truths(package) for package in sys.argv[1:]}))
