"""The house's own rules: what imports what, how long files are, what every function says."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import j1sdk_budget_forcing
import j1sdk_spct
import pytest

import j1sdk
from j1sdk import J1Error, builtins, errors, hookspecs

ROOT = Path(__file__).parents[1]
PACKAGE = sorted((ROOT / "j1sdk").rglob("*.py"))
PLUGINS = sorted(path for path in ROOT.glob("plugins/*/**/*.py") if not path.match("test_*.py"))
TESTS = sorted([*ROOT.glob("tests/**/*.py"), *ROOT.glob("plugins/*/test_*.py")])
BENCHMARKS = sorted(ROOT.glob("benchmarks/*.py"))
SOURCES = [*PACKAGE, *PLUGINS, *BENCHMARKS]
HEAVY = (
    "torch", "transformers", "trl", "datasets", "peft", "scipy", "matplotlib", "openrlhf", "vllm",
    "accelerate", "jinja2", "aiohttp", "openai", "fastapi", "starlette", "uvicorn", "uvloop",
    "httptools", "prometheus_client",
)  # fmt: skip
LAYERS = (
    ("errors",),
    ("component",),
    ("types",),
    ("background", "files", "quoting", "sharing", "formats.sections"),
    ("formats",),
    ("data", "engines", "rankings", "rewards"),
    ("deliberation", "scaling", "training"),
    ("formats.*", "data.*", "engines.*", "rankings.*", "rewards.*", "scaling.*",
     "arithmetic", "arithmetic.sums", "arithmetic.tasks"),
    ("judge", "hookspecs"),
    ("evaluation", "evaluation.*"),
    ("data.quality", "data.quality.balance", "data.quality.cues", "data.quality.duplicates",
     "data.quality.ngrams", "data.quality.overlap", "data.quality.page", "data.quality.rows"),
    ("serving", "serving.*"),
    ("training.*",),
    ("cli", "cli.*"),
    ("builtins",),
    ("host",),
    ("config",),
    ("building", "judging", "testing", "testing.*", "arithmetic.*"),
    ("scale",),
    ("",),
)  # fmt: skip
"""Lowest first; a module may import lower layers, and its own package's part of its layer."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def show(path: Path) -> str:
    return str(path.relative_to(ROOT))


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT / "j1sdk").with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


MODULES = {module_of(path): path for path in PACKAGE}


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def functions(path: Path) -> Iterator[Function]:
    return (node for node in ast.walk(parsed(path)) if isinstance(node, Function))


def top_level(nodes: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that run on import: not those for type checkers, nor in functions."""
    for node in nodes:
        if isinstance(node, Function):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        for field in ("body", "orelse", "handlers", "finalbody"):
            yield from top_level(getattr(node, field, []))


def imported(path: Path) -> set[str]:
    """Our modules that this one imports when it is imported."""
    found = set()
    for node in top_level(parsed(path).body):
        if isinstance(node, ast.ImportFrom) and node.module:
            assert not node.level, f"{show(path)}: write imports in full"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {name if name[6:] in MODULES else node.module for name in names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    ours = {name for name in found if name.split(".")[0] == "j1sdk"}
    return {name.removeprefix("j1sdk").removeprefix(".") for name in ours}


def layer(module: str) -> int:
    for pattern in (module, f"{module.split('.')[0]}.*"):
        for number, members in enumerate(LAYERS):
            if pattern in members:
                return number
    raise AssertionError(f"{module or 'j1sdk'} has no layer: give it one in LAYERS")


def loaded_by(*command: str) -> set[str]:
    result = subprocess.run(
        [sys.executable, "-X", "importtime", *command], capture_output=True, text=True, check=True
    )
    names = (line.rsplit("|", 1)[-1].strip() for line in result.stderr.splitlines())
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize(
    "command",
    [
        ("-c", "import j1sdk"),
        ("-c", "import j1sdk.builtins, j1sdk.run, j1sdk.judging, j1sdk.testing"),
        (str(Path(sys.executable).with_name("j1")), "--help"),
        (str(Path(sys.executable).with_name("j1")), "train", "--help"),
        (str(Path(sys.executable).with_name("j1")), "serve", "--help"),
        (str(Path(sys.executable).with_name("j1")), "plugins"),
    ],
    ids=lambda command: " ".join(command).rsplit("/", 1)[-1],
)
def test_what_is_heavy_is_not_loaded(command: tuple[str, ...]) -> None:
    loaded = loaded_by(*command)
    assert "j1sdk" in loaded and "pydantic" in loaded
    assert not loaded & set(HEAVY)


def test_everything_public_is_there_once() -> None:
    assert len(j1sdk.__all__) == len(set(j1sdk.__all__))
    for name in j1sdk.__all__:
        assert getattr(j1sdk, name) is not None


def test_everything_imported_at_the_top_is_public() -> None:
    names = {
        alias.name
        for node in parsed(ROOT / "j1sdk" / "__init__.py").body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert names == set(j1sdk.__all__)


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_one_way(module: str) -> None:
    here = layer(module)
    for other in imported(MODULES[module]):
        below = layer(other) < here
        sibling = layer(other) == here and other.split(".")[0] == module.split(".")[0]
        assert below or sibling, f"j1sdk.{module} may not import j1sdk.{other}"


def test_no_imports_go_round() -> None:
    graph = {module: imported(path) for module, path in MODULES.items()}
    order = list(TopologicalSorter(graph).static_order())
    assert order.index("errors") < order.index("judge") < order.index("config")


def test_every_layer_has_members() -> None:
    known = {*MODULES, *(f"{module.split('.')[0]}.*" for module in MODULES if "." in module)}
    assert {member for members in LAYERS for member in members} <= known


@pytest.mark.parametrize("path", SOURCES, ids=show)
def test_a_source_file_is_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("path", SOURCES, ids=show)
def test_every_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(parsed(path))


def unannotated(function: Function) -> list[str]:
    arguments = function.args
    known = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    known += [one for one in (arguments.vararg, arguments.kwarg) if one]
    bare = [one.arg for one in known if one.annotation is None and one.arg not in ("self", "cls")]
    return bare if function.returns else [*bare, "return"]


@pytest.mark.parametrize("path", [*SOURCES, *TESTS], ids=show)
def test_every_function_is_annotated(path: Path) -> None:
    found = {f"{one.name}, line {one.lineno}": unannotated(one) for one in functions(path)}
    assert {name: bare for name, bare in found.items() if bare} == {}


def is_broad(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    names = {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)}
    return bool(names & {"Exception", "BaseException"})


@pytest.mark.parametrize("path", SOURCES, ids=show)
def test_catching_everything_has_its_reason_beside_it(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    handlers = [one for one in ast.walk(parsed(path)) if isinstance(one, ast.ExceptHandler)]
    broad = [lines[one.lineno - 1] for one in handlers if is_broad(one)]
    assert all(re.search(r":  # \S+ \S+", line) for line in broad), broad


def test_every_hook_has_a_user() -> None:
    declared = {name for name, one in vars(hookspecs).items() if hasattr(one, "j1sdk_spec")}
    users = (builtins, j1sdk_budget_forcing, j1sdk_spct)
    used = {
        name for user in users for name, one in vars(user).items() if hasattr(one, "j1sdk_impl")
    }
    assert declared == used
    assert "formats" in declared


def drawn_tree() -> list[tuple[int, str]]:
    """(depth, name) of every error drawn at the top of errors.py."""
    lines = (errors.__doc__ or "").splitlines()
    found = (re.match(r"^    ([│├└─ ]*)([A-Z]\w+)", line) for line in lines)
    return [(len(match[1]) // 4, match[2]) for match in found if match]


def test_the_drawn_tree_is_the_tree_of_errors() -> None:
    parents: dict[int, str] = {}
    for depth, name in drawn_tree():
        assert depth == 0 or parents[depth - 1] in {
            base.__name__ for base in getattr(errors, name).__bases__
        }
        parents[depth] = name
    defined = {
        name for name, one in vars(errors).items()
        if isinstance(one, type) and issubclass(one, J1Error)
    }  # fmt: skip
    assert {name for _, name in drawn_tree()} == defined


def lines_of(paths: list[Path]) -> int:
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in paths)


def test_there_is_at_least_as_much_test_as_source() -> None:
    assert lines_of(TESTS) >= lines_of([*PACKAGE, *PLUGINS]) > 0


PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("plugins/*/README.md")])


@pytest.mark.parametrize("page", PAGES, ids=show)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    local = [link.split("#")[0] for link in links if not re.match(r"[a-z]+:", link)]
    missing = [link for link in local if link and not (page.parent / link).exists()]
    assert missing == []


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name]


def test_no_file_knows_the_machine_it_was_written_on() -> None:
    needles = [b"/" + b"work/", b"/tmp/" + b"research"]
    files = [path for path in tracked() if path.is_file()]
    found = [show(path) for path in files if any(one in path.read_bytes() for one in needles)]
    assert len(files) > 50 and found == []


def test_extras_and_dependencies_are_what_the_error_messages_name() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    calls = [
        node for path in SOURCES for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "MissingExtraError"
    ]  # fmt: skip
    named = {str(ast.literal_eval(call.args[1])) for call in calls}
    assert named and named <= set(project["optional-dependencies"])
