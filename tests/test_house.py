"""The house's own rules that no linter holds: sizes, circles, what is loaded, links, extras.

Layers are held by import-linter, docstrings, annotations and broad excepts by ruff (`make lint`).
"""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import j1sdk
from j1sdk import J1Error, errors

ROOT = Path(__file__).parents[1]
PACKAGE = sorted((ROOT / "j1sdk").rglob("*.py"))
PLUGINS = sorted(
    path
    for path in ROOT.glob("plugins/*/**/*.py")
    if not path.match("test_*.py") and "build" not in path.parts
)
TESTS = sorted([*ROOT.glob("tests/**/*.py"), *ROOT.glob("plugins/*/test_*.py")])
BENCHMARKS = sorted(ROOT.glob("benchmarks/*.py"))
SOURCES = [*PACKAGE, *PLUGINS, *BENCHMARKS]
HEAVY = (
    "torch", "transformers", "trl", "datasets", "peft", "scipy", "matplotlib", "openrlhf", "vllm",
    "accelerate", "jinja2", "aiohttp", "openai", "fastapi", "starlette", "uvicorn", "uvloop",
    "httptools", "prometheus_client",
)  # fmt: skip
INNER_FRONTS = ("j1sdk.training.exports",)
"""Rooms in a room that users import from."""


def show(path: Path) -> str:
    return str(path.relative_to(ROOT))


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


MODULES = {module_of(path): path for path in PACKAGE}


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def for_type_checkers(tree: ast.Module) -> set[ast.AST]:
    """Everything below `if TYPE_CHECKING`."""
    blocks = (node for node in ast.walk(tree) if isinstance(node, ast.If))
    guarded = (block for block in blocks if "TYPE_CHECKING" in ast.unparse(block.test))
    return {node for block in guarded for child in block.body for node in ast.walk(child)}


def imported(path: Path) -> Iterator[str]:
    """Our modules that a file imports, in functions too."""
    tree = parsed(path)
    for node in set(ast.walk(tree)) - for_type_checkers(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in MODULES else node.module for name in names)


def test_no_file_imports_itself_by_way_of_others() -> None:
    graph = {
        module: {name for name in imported(path) if name in MODULES} - {module}
        for module, path in MODULES.items()
    }
    order = list(TopologicalSorter(graph).static_order())
    assert order.index("j1sdk.errors") < order.index("j1sdk.judge") < order.index("j1sdk.run")


def test_a_file_is_read_in_one_sitting() -> None:
    read = [*SOURCES, *TESTS]
    sizes = {show(path): len(path.read_text("utf-8").splitlines()) for path in read}
    assert {name: size for name, size in sizes.items() if size > 400} == {}


def test_the_core_does_not_grow() -> None:
    """It is to shrink to 15,000 lines, which can be read in an afternoon, beside adapters."""
    core = [path for path in PACKAGE if path.parent.name != "adapters"]
    assert sum(len(path.read_text("utf-8").splitlines()) for path in core) <= 17_640


def test_what_ruff_must_not_lay_out_stays_rare() -> None:
    assert sum(path.read_text("utf-8").count("# fmt: " + "skip") for path in SOURCES) <= 10


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
    assert "j1sdk" in loaded
    assert not loaded & set(HEAVY)


@pytest.mark.parametrize(
    "command",
    [("-c", "import j1sdk"), (str(Path(sys.executable).with_name("j1")), "--help")],
    ids=["import j1sdk", "j1 --help"],
)
def test_the_front_and_the_help_need_no_models_of_data(command: tuple[str, ...]) -> None:
    """Pydantic's models are half of what importing a component costs; our own plugins wait too."""
    assert not loaded_by(*command) & {"pydantic", "pydantic_core", "rich", "asyncio"}


def test_everything_public_is_there_once() -> None:
    assert len(j1sdk.__all__) == len(set(j1sdk.__all__))
    for name in j1sdk.__all__:
        assert getattr(j1sdk, name) is not None


def offered_lazily(path: Path) -> set[str]:
    """What a front imports for type checkers, and so on demand."""
    blocks = [node for node in parsed(path).body if isinstance(node, ast.If)]
    lines = [line for node in blocks for line in node.body if isinstance(line, ast.ImportFrom)]
    return {alias.name for line in lines for alias in line.names}


def test_everything_the_front_imports_is_public() -> None:
    assert offered_lazily(ROOT / "j1sdk" / "__init__.py") == set(j1sdk.__all__)


def test_the_front_loads_a_name_when_it_is_asked_for() -> None:
    code = (
        "import sys, j1sdk; before = {*sys.modules}; j1sdk.PairwiseVerdict;"
        "print('pydantic' in before, 'j1sdk.formats.pairwise_verdict' in before);"
        "print('pydantic' in sys.modules, 'PairwiseVerdict' in vars(j1sdk), 'OpenAI' in dir(j1sdk))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["False", "False", "True", "True", "True"]


def test_a_name_that_the_front_lacks_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'j1sdk' has no attribute 'PairwiseVerdit'"):
        j1sdk.PairwiseVerdit  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'Grpoo'"):
        exec("from j1sdk import Grpoo")


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


PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("plugins/*/README.md")])


@pytest.mark.parametrize("page", PAGES, ids=show)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    local = [link.split("#")[0] for link in links if not re.match(r"[a-z]+:", link)]
    missing = [link for link in local if link and not (page.parent / link).exists()]
    assert missing == []


def test_towncrier_finds_every_change() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["towncrier"]
    types = [kind["directory"] for kind in settings["type"]]
    named = re.compile(rf"[a-z0-9-]+\.({'|'.join(types)})\.md")
    files = [path.name for path in (ROOT / "changes").iterdir() if path.name != "README.md"]
    assert [name for name in files if not named.fullmatch(name)] == []


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


def python_blocks(page: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)


SHOWN = [
    *((show(page), block) for page in PAGES for block in python_blocks(page)),
    *((show(path), path.read_text(encoding="utf-8")) for path in ROOT.glob("examples/**/*.py")),
    *(
        (show(path), path.read_text(encoding="utf-8"))
        for path in PLUGINS
        if "benchmarks" in str(path)
    ),
]


@pytest.mark.parametrize("where, source", SHOWN, ids=[where for where, _ in SHOWN])
def test_what_is_shown_imports_from_the_fronts(where: str, source: str) -> None:
    imports = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)]
    for node in imports:
        if node.module and node.module.split(".")[0] == "j1sdk":
            front = importlib.import_module(node.module)
            is_room = node.module.count(".") < 2 or node.module in INNER_FRONTS
            names = {alias.name for alias in node.names}
            offered = set(getattr(front, "__all__", names))
            assert is_room and names <= offered, f"{where}: from {node.module} import {names}"


FRONTS = [name for name, path in MODULES.items() if path.name == "__init__.py"]


@pytest.mark.parametrize("module", FRONTS)
def test_a_front_has_what_it_offers(module: str) -> None:
    front = importlib.import_module(module)
    assert [name for name in getattr(front, "__all__", ()) if not hasattr(front, name)] == []
