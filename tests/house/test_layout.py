"""The layout is as designed: short files, short functions, and imports that only flow down."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODE = ("bus_schemas", "services", "deploy", "benchmarks", "docs", "tests")
TEXT = (*CODE, "requirements", "audios", ".ci")
NOT_OURS = {"node_modules", "__pycache__", ".venvs", ".models"}
STAGES = {"edge", "stt", "llm", "tts"}
LONGEST_FILE, LONGEST_FUNCTION = 400, 40
# Put together here, so that this file does not hold them itself.
UNDONE = re.compile(rf"\b({'|'.join(('TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X'))})\b")
REGISTRIES = tuple(".".join((name, "org")) for name in ("pypi", "pythonhosted", "npmjs"))


SWALLOWS = "asyncio.wait_for("
"""On Python 3.11 it swallows a cancellation that meets the result, and a drain hangs: use `asyncio.timeout`."""


def files(folder: str) -> Iterator[Path]:
    """Every Python file of ours in a folder."""
    yield from (path for path in sorted((ROOT / folder).rglob("*.py")) if not NOT_OURS & set(path.parts))


def code() -> Iterator[tuple[Path, ast.Module]]:
    """Every Python file of ours, read."""
    for folder in CODE:
        yield from ((path, tree(path)) for path in files(folder))


def tree(path: Path) -> ast.Module:
    """A file as Python reads it."""
    return ast.parse(path.read_text("utf-8"))


def name(path: Path) -> str:
    """A file's name for a message."""
    return str(path.relative_to(ROOT))


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, `from a.b import c` as `a.b.c`."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def texts() -> Iterator[tuple[Path, str]]:
    """Every text file of the project, with its text; local settings and recordings are none."""
    paths = [path for path in ROOT.iterdir() if path.is_file() and path.name != ".env"]
    for folder in TEXT:
        paths += [path for path in (ROOT / folder).rglob("*") if path.is_file() and not NOT_OURS & set(path.parts)]
    yield from ((path, path.read_text("utf-8", errors="replace")) for path in paths if path.suffix != ".wav")


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The lines of a function, its docstring and its decorators aside."""
    lines = (function.end_lineno or 0) - function.lineno + 1
    if ast.get_docstring(function, clean=False) is None:
        return lines
    docstring = function.body[0]
    return lines - ((docstring.end_lineno or 0) - docstring.lineno + 1)


def test_a_file_is_one_idea_and_fits_in_a_readers_head() -> None:
    """400 lines."""
    lines = [(path, path.read_text("utf-8").count("\n")) for folder in CODE for path in files(folder)]
    assert [f"{name(path)}: {count}" for path, count in lines if count > LONGEST_FILE] == []


def test_a_function_fits_on_a_screen() -> None:
    """40 lines."""
    found = [
        f"{name(path)}: {node.name} has {length(node)} lines"
        for path, module in code()
        for node in ast.walk(module)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and length(node) > LONGEST_FUNCTION
    ]
    assert found == []


def test_a_module_says_what_it_is_in_its_first_line() -> None:
    """Every module that holds anything has a docstring."""
    assert [name(path) for path, module in code() if module.body and not ast.get_docstring(module)] == []


def test_the_contract_imports_msgspec_and_nothing_else() -> None:
    """Another project can take bus_schemas/ as it is."""
    allowed = {"bus_schemas", "msgspec", *sys.stdlib_module_names}
    used = [(name(path), module) for path in files("bus_schemas") for module in imports(path)]
    assert used != []
    assert [(file, module) for file, module in used if module.split(".")[0] not in allowed] == []


def test_imports_flow_down() -> None:
    """services.X may use services.runtime and bus_schemas; a stage uses no other stage, and nobody uses the tests."""
    assert [f"{name(path)} imports {module}" for path in files("services") for module in wrong_imports(path)] == []


def wrong_imports(path: Path) -> Iterator[str]:
    """What a file of services/ imports from above it or from beside it."""
    mine = path.relative_to(ROOT / "services").parts[0]
    below = {mine, "runtime"} if mine in STAGES else {"runtime"}
    for module in imports(path):
        top, *rest = module.split(".")
        sideways = top == "services" and bool(rest) and mine != "cli" and rest[0] not in below
        if sideways or top in {"tests", "benchmarks", "deploy"}:
            yield module


def test_every_stage_has_the_same_names() -> None:
    """Who knows one stage folder knows them all: __main__, settings, stage, engines/, and at most two more modules."""
    for stage in sorted(STAGES - {"edge"}):
        folder = ROOT / "services" / stage
        modules = {path.stem for path in folder.glob("*.py")} - {"__init__"}
        assert {"__main__", "settings", "stage"} <= modules, stage
        assert (folder / "engines").is_dir(), stage
        assert len(modules) <= 5, f"{stage}: {sorted(modules)}"


def test_nothing_is_left_for_later_in_the_files() -> None:
    """Open work is an issue, not a comment."""
    assert [name(path) for path, text in texts() if UNDONE.search(text)] == []


def test_no_file_names_the_host_of_a_package_registry() -> None:
    """Where packages come from is the machine's own setting."""
    assert [name(path) for path, text in texts() if any(host in text for host in REGISTRIES)] == []


def test_no_wait_swallows_a_cancellation() -> None:
    """Every bounded wait of the services is an `asyncio.timeout`."""
    assert [name(path) for path in files("services") if SWALLOWS in path.read_text("utf-8")] == []
