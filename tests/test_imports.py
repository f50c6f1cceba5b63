"""What is imported when: the command line answers without the heavy libraries, and imports point down only."""

from __future__ import annotations

import ast
import graphlib
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "cutflow_cli"
HEAVY = ("torch", "pandas", "pyarrow", "uproot", "awkward", "vector", "sklearn", "xgboost", "numba", "matplotlib")

REPORT_MODULES = """
import atexit, sys
atexit.register(lambda: print("LOADED", *sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr))
"""


def modules_under(*names: str) -> list[str]:
    """Every module of the named parts of the package, dotted."""
    files = [path for name in names for path in (PACKAGE / name).rglob("*.py")]
    return sorted(
        ".".join(("cutflow_cli", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
        for path in files
    )


def loaded(stderr: str) -> set[str]:
    return set(next(line for line in stderr.splitlines() if line.startswith("LOADED")).split()[1:])


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], [], ["train", "--help"], ["evaluate", "--help"], ["export-cuts", "--help"],
     ["ingest", "--help"], ["generate-mock", "--help"], ["train", "lcf-parallel", "--help"]],
    ids=" ".join,
)  # fmt: skip
def test_help_and_version_import_nothing_heavy(run_python, arguments):
    code = REPORT_MODULES + f"sys.argv = ['cutflow', *{arguments!r}]\nfrom cutflow_cli.__main__ import main\nmain()"
    done = run_python(code)
    assert "cutflow" in done.stdout + done.stderr.partition("LOADED")[0]
    assert loaded(done.stderr).isdisjoint(HEAVY)


def test_import_of_the_package_imports_nothing_heavy(run_python):
    done = run_python(REPORT_MODULES + "import cutflow_cli; assert 'Cut' in dir(cutflow_cli)")
    assert done.returncode == 0, done.stderr
    assert loaded(done.stderr).isdisjoint({*HEAVY, "numpy", "rich", "typer"})


@pytest.mark.parametrize("part", ["selection", "metrics"])
def test_the_physics_of_a_selection_needs_neither_torch_nor_pandas(run_python, part):
    modules = modules_under(part)
    assert f"cutflow_cli.{part}" in modules
    done = run_python(REPORT_MODULES + "\n".join(f"import {module}" for module in modules))
    assert done.returncode == 0, done.stderr
    assert loaded(done.stderr).isdisjoint({"torch", "pandas"})


def imports_of(path: Path) -> set[str]:
    """Modules of our own that a file imports, anywhere in it: `selection.cut`, `events.table`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and (node.module or "").startswith("cutflow_cli"):
            base = (node.module or "").removeprefix("cutflow_cli").lstrip(".")
            found |= {f"{base}.{alias.name}".lstrip(".") for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the direction"
        elif isinstance(node, ast.Import):
            found |= {alias.name.removeprefix("cutflow_cli.") for alias in node.names if "cutflow_cli." in alias.name}
    return found


def imported_at_once(path: Path) -> set[str]:
    """Files of our own that importing a file imports: what stands at its top level, not inside functions."""
    found: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("cutflow_cli"):
            base = PACKAGE.parent.joinpath(*(node.module or "").split("."))
            for candidate in (base, *(base / alias.name for alias in node.names)):
                found |= {
                    str(file) for file in (candidate.with_suffix(".py"), candidate / "__init__.py") if file.is_file()
                }
    return found - {str(path), str(PACKAGE / "__init__.py")}


def test_modules_do_not_import_each_other_in_circles():
    """A circle works or fails with the order in which a user imports."""
    graph = {str(path): imported_at_once(path) for path in PACKAGE.rglob("*.py")}
    assert sum(map(len, graph.values())) > 50
    list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError, naming the circle


def part_of(module: str) -> str:
    return module.partition(".")[0]


#: What a part of the package must not import, whatever else it does.
FORBIDDEN = {
    "errors": {"selection", "metrics", "engine", "events", "models", "export", "plots", "report", "commands", "app",
               "artifacts", "runs", "evaluation", "observables"},
    "artifacts": {"selection", "metrics", "engine", "events", "models", "export", "plots", "report", "commands", "app",
                  "runs", "evaluation"},
    "selection": {"metrics", "engine", "events", "models", "export", "plots", "report", "commands", "app", "artifacts",
                  "runs", "evaluation", "observables"},
    "observables": {"metrics", "engine", "events", "models", "export", "plots", "report", "commands", "app",
                    "artifacts", "runs", "evaluation"},
    "metrics": {"models", "commands", "plots", "report", "export", "engine", "app", "evaluation"},
    "engine": {"events", "models", "commands", "metrics", "export", "plots", "report", "app", "evaluation"},
    "events": {"models", "engine", "commands", "export", "plots", "report", "app", "evaluation", "runs"},
    "models": {"commands", "export", "plots", "report", "app", "evaluation"},
    "export": {"commands", "plots", "report", "app", "apply"},  # tables of evaluation, and models as graphs, are too
    "plots": {"models", "engine", "commands", "export", "app"},
    "runs": {"models", "engine", "commands", "export", "plots", "report", "app", "evaluation"},
    "evaluation": {"commands", "app", "export"},  # engine has its compiled sums
    "apply": {"commands", "app", "engine", "plots", "models"},
    "batch": {"commands", "app", "plots"},
}  # fmt: skip


def test_imports_point_down_only():
    wrong = []
    for path in PACKAGE.rglob("*.py"):
        own = path.relative_to(PACKAGE).with_suffix("").parts[0]
        for module in imports_of(path):
            if part_of(module) in FORBIDDEN.get(own, set()):
                wrong.append(f"{path.relative_to(PACKAGE)} imports {module}")
            if part_of(module) == "commands" and own not in ("app", "commands"):
                wrong.append(f"{path.relative_to(PACKAGE)} imports {module}")
            if part_of(module) == "app" and own != "__main__":
                wrong.append(f"{path.relative_to(PACKAGE)} imports {module}")
    assert wrong == []


def test_the_heart_needs_numpy_alone():
    """`selection` may be taken out and used elsewhere: errors, numpy and the standard library, no more.

    Whoever hands it awkward arrays has awkward.
    """
    allowed = {"numpy", "cutflow_cli", "__future__", "awkward"} | set(sys.stdlib_module_names)
    for path in (PACKAGE / "selection").rglob("*.py"):
        assert {part_of(module) for module in imports_of(path)} <= {"errors", "selection"}, path
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert {alias.name.partition(".")[0] for alias in node.names} <= allowed, path
            elif isinstance(node, ast.ImportFrom):
                assert (node.module or "").partition(".")[0] in allowed, path
