"""The house rules that no linter knows. Each message says what to do."""

from __future__ import annotations

import ast
import os
import pwd
import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PACKAGES = ("schemas", "projections", "streams", "connectors", "simulators", "concord")
CODE = (*PACKAGES, "tests", "bench")
MODULE_LINES_MAX = 500
FUNCTION_LINES_MAX = 60
PARAMETERS_MAX = 7

# Modules named after nothing in particular collect everything.
BANNED_MODULES = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "handlers", "base"}
BANNED_PREFIXES = ("process_", "handle_", "do_", "manage_")
BANNED_SUFFIXES = ("Manager", "Handler", "Helper", "Utils")
# Asked for by the standard library, or about the operating system's processes.
IMPOSED = {
    "handle_starttag",
    "handle_endtag",
    "handle_error",
    "handle_data",
    "handle_startendtag",
    "do_GET",
    "do_POST",
    "process_started",
}
FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef

# What the pure modules must not know of: transports, brokers, loops, clocks (design §7).
IMPURE = {
    "faust", "mode", "aiokafka", "kafka", "httpx", "requests", "simple_salesforce", "msal", "grpc", "asyncio", "time",
    "threading", "socket", "subprocess", "random", "rocksdict", "os",
}  # fmt: skip
PURE_CONNECTOR_MODULES = ("wire.py", "translate.py", "text.py", "compare.py", "source.py", "sink.py", "exchange.py")
TEXT_SUFFIXES = {
    ".py",
    ".md",
    ".toml",
    ".lock",
    ".yml",
    ".yaml",
    ".json",
    ".xml",
    ".html",
    ".css",
    ".js",
    ".mjs",
    ".txt",
    "",
}


@cache
def modules() -> list[Path]:
    """Every Python file of the project."""
    return sorted(path for name in CODE for path in (ROOT / name).rglob("*.py") if "__pycache__" not in path.parts)


@dataclass(frozen=True)
class Function:
    """A function or method: its lines without decorators, its positional parameters (keyword-only ones name themselves
    at each call)."""

    name: str
    lines: int
    parameters: int
    is_documented: bool


@dataclass(frozen=True)
class Outline:
    """What the rules look at in a module. Its syntax tree is not kept: that of all modules together holds a million
    objects, which slow everything down that runs after."""

    functions: tuple[Function, ...]
    classes: tuple[str, ...]
    imports: frozenset[str]
    """Top-level names."""
    clocks: tuple[int, ...]
    """Lines that read the clock."""
    is_documented: bool
    undocumented: tuple[str, ...]
    """Public parts without a docstring."""


@cache
def outline(path: Path) -> Outline:
    """A module, read once."""
    module = ast.parse(path.read_text(encoding="utf-8"), str(path))
    nodes = list(ast.walk(module))
    imports: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            imports |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            imports.add(node.module.split(".")[0])
    return Outline(
        functions=tuple(measured(node) for node in nodes if isinstance(node, FUNCTION)),
        classes=tuple(node.name for node in nodes if isinstance(node, ast.ClassDef)),
        imports=frozenset(imports),
        clocks=tuple(node.lineno for node in nodes if isinstance(node, ast.Attribute) and reads_the_clock(node)),
        is_documented=bool(ast.get_docstring(module)),
        undocumented=tuple(part.name for part in public_parts(module) if not ast.get_docstring(part)),
    )


def measured(node: FUNCTION) -> Function:
    """The measures of a function."""
    assert node.end_lineno is not None
    parameters = [a for a in [*node.args.posonlyargs, *node.args.args] if a.arg not in {"self", "cls"}]
    return Function(node.name, node.end_lineno - node.lineno + 1, len(parameters), bool(ast.get_docstring(node)))


def reads_the_clock(node: ast.Attribute) -> bool:
    """Whether this is `datetime.now` or one of its like."""
    is_clock = isinstance(node.value, ast.Name) and node.value.id in {"datetime", "date"}
    return is_clock and node.attr in {"now", "utcnow", "today"}


@cache
def texts() -> list[Path]:
    """Every text file that a reader or a machine gets: hidden ones, caches and data of others left out."""
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if is_ours(name)]  # what is left out is not even walked through
        found += [Path(folder, name) for name in names if is_ours(name) and Path(name).suffix in TEXT_SUFFIXES]
    return sorted(found)


def is_ours(name: str) -> bool:
    """Whether a file or folder of this name is the project's own."""
    return not name.startswith(".") and name not in {"__pycache__", "dist", "build", "node_modules"}


def short(path: Path) -> str:
    """A path as seen from the project's folder."""
    return str(path.relative_to(ROOT))


def is_pure(path: Path) -> bool:
    """Whether a module belongs to the core that knows no clock, broker or network."""
    parts = path.relative_to(ROOT).parts
    if parts[0] in {"schemas", "projections", "streams"}:
        return path.name != "release.py"  # a tool for the source tree: it writes files
    return parts[0] == "connectors" and path.name in PURE_CONNECTOR_MODULES


def public_parts(module: ast.Module) -> Iterator[FUNCTION | ast.ClassDef]:
    """Public functions and classes of a module, and the public methods of these classes."""
    for node in module.body:
        if isinstance(node, FUNCTION | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            inner = node.body if isinstance(node, ast.ClassDef) else []
            yield from (n for n in inner if isinstance(n, FUNCTION) and not n.name.startswith("_"))


def lines_with(pattern: re.Pattern[str], paths: Iterable[Path]) -> Iterator[tuple[str, str]]:
    """Where a pattern occurs: file and line number, and what was found."""
    for path in paths:
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            found = pattern.search(line)
            if found:
                yield f"{short(path)}:{number}", found[0]


def assert_none(problems: Iterable[str]) -> None:
    """Fail with every problem at once."""
    found = list(problems)
    assert not found, "\n" + "\n".join(found)


def test_modules_fit_in_a_head() -> None:
    """Past 500 lines a module holds more than one concept."""
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in modules()}
    assert_none(
        f"{short(path)} has {count} lines: move one concept into a module of its own"
        for path, count in lengths.items()
        if count > MODULE_LINES_MAX
    )


def test_functions_fit_a_screen() -> None:
    """Past 60 lines control flow hides: push the ifs up, pull pure leaves out."""
    assert_none(
        f"{short(path)}: {found.name} has {found.lines} lines, split it"
        for path in modules()
        for found in outline(path).functions
        if found.lines > FUNCTION_LINES_MAX
    )


def test_functions_take_few_parameters() -> None:
    """Past seven positional parameters a value type is missing."""
    assert_none(
        f"{short(path)}: {found.name} takes {found.parameters} parameters, group them in a type"
        for path in modules()
        for found in outline(path).functions
        if found.parameters > PARAMETERS_MAX
    )


def test_names_say_what_they_know() -> None:
    """No `utils`, no `handle_this`: a name states the concept or what is decided."""
    assert_none(
        f"{short(path)}: name the module after the concept it holds"
        for path in modules()
        if path.stem in BANNED_MODULES
    )
    assert_none(
        f"{short(path)}: {found.name} says nothing, name what it decides or returns"
        for path in modules()
        for found in outline(path).functions
        if found.name.startswith(BANNED_PREFIXES) and found.name not in IMPOSED
    )
    assert_none(
        f"{short(path)}: {name} says nothing, name what it knows"
        for path in modules()
        for name in outline(path).classes
        if name.endswith(BANNED_SUFFIXES)
    )


def test_public_code_is_documented() -> None:
    """A module, a public class, a public function: one sentence of what goes in and comes out."""
    ours = [path for path in modules() if path.relative_to(ROOT).parts[0] != "tests"]
    assert_none(
        f"{short(path)}: say in a module docstring what it knows" for path in ours if not outline(path).is_documented
    )
    assert_none(f"{short(path)}: give {name} a docstring" for path in ours for name in outline(path).undocumented)


def test_every_test_says_what_must_hold() -> None:
    """A test without a sentence cannot be judged when it fails."""
    assert_none(
        f"{short(path)}: say in a docstring what {found.name} holds"
        for path in modules()
        if path.name.startswith("test_")
        for found in outline(path).functions
        if found.name.startswith("test_") and not found.is_documented
    )


def test_nothing_is_left_to_do() -> None:
    """What is left to do is an issue, not a comment."""
    left = re.compile(r"#.*\b(TO" + r"DO|FIX" + r"ME|X" + r"XX|HA" + r"CK)\b")
    assert_none(f"{place}: file an issue and remove the comment" for place, _ in lines_with(left, modules()))


def test_no_test_is_skipped_without_a_reason() -> None:
    """A skip or an expected failure without its reason is a test that nobody misses."""
    bare = re.compile(r"mark\.(skip|xfail)\s*(\(\s*\))?\s*$|pytest\.(skip|xfail)\(\s*\)")
    assert_none(f"{place}: give the reason, or run the test" for place, _ in lines_with(bare, modules()))


def test_pure_modules_know_no_clock_broker_or_network() -> None:
    """The core is folded again years later and must come out the same: now is an argument, a write is a value."""
    pure = [path for path in modules() if is_pure(path)]
    assert_none(
        f"{short(path)} imports {', '.join(sorted(found))}: leave that to the edge in concord/roles"
        for path in pure
        if (found := outline(path).imports & IMPURE)
    )
    assert_none(
        f"{short(path)}:{line} reads the clock: take `now` as an argument"
        for path in pure
        for line in outline(path).clocks
    )


def test_files_name_no_machine_and_no_package_index() -> None:
    """A path of somebody's machine or an index's address works in one place only."""
    host = r"(?:pypi\.org|pythonhosted\.org|npmjs\.org|/simple/|index-url\s*[=:]|trusted-host\s*[=:])"
    here = {pwd.getpwuid(os.getuid()).pw_dir, str(Path.home()), str(ROOT), str(ROOT.parent)} - {
        "/",
        tempfile.gettempdir(),
    }
    home = "|".join(["/home/", "/Users/", *(re.escape(f"{folder}/") for folder in sorted(here))])
    others = [path for path in texts() if path != Path(__file__)]
    assert_none(
        f"{place} names {found!r}: make it relative or configurable"
        for place, found in lines_with(re.compile(f"{host}|(?<![.$\\w}}])(?:{home})"), others)
    )


def test_lock_files_carry_no_address() -> None:
    """Names, versions and hashes say what is meant; where it is fetched from is each machine's own matter."""
    locks = [path for path in texts() if path.name.endswith((".lock", "-lock.json"))]
    assert len(locks) >= 3
    assert_none(
        f"{place} names {found!r}: leave it out" for place, found in lines_with(re.compile(r"https?://"), locks)
    )


@pytest.mark.parametrize(
    ("source", "length", "parameters"), [("def f(a, b):\n    return a\n", 2, 2), ("@x\ndef g(): ...\n", 1, 0)]
)
def test_measures_measure(tmp_path: Path, source: str, length: int, parameters: int) -> None:
    """The checks above would be worthless if they counted nothing."""
    path = tmp_path / "m.py"
    path.write_text(source, encoding="utf-8")
    (found,) = outline(path).functions
    assert (found.lines, found.parameters) == (length, parameters)
    assert len(modules()) > 50
    assert any(is_pure(module) for module in modules())
