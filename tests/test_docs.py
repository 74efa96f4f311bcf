"""The pages say what is true: what they name is held against the code, and their examples are tried."""

import ast
import csv
import io
import re
import shlex
import tomllib
from functools import cache
from itertools import pairwise
from pathlib import Path

import prefect.settings
import pytest
from compose_files import variables_of

from flows import layout
from flows.cli.app import app
from flows.pairs.manifest import COLUMNS
from pst_core.settings import config
from pst_core.settings.config import Config

ROOT = Path(__file__).resolve().parents[1]
DOCS = {path.stem: path for path in sorted((ROOT / "docs").glob("*.md"))}
OF_CODE = [ROOT / "README.md", *DOCS.values()]
PAGES = [*OF_CODE, ROOT / "data" / "README.md"]  # the last one speaks of other people's files
TEXTS = {page: page.read_text("utf-8") for page in PAGES}
SOURCES = {
    path: path.read_text("utf-8")
    for floor in ("flows", "tasks", "pst_core")
    for path in (ROOT / floor).rglob("*.py")
}
CODE = "\n".join(SOURCES.values())

PATH = re.compile(r"(?<![\w./-])(?:flows|tasks|pst_core|tests|docs|data)/[\w./-]*\w")
MODULE = re.compile(r"(?:flows|tasks|pst_core)(?:\.\w+)+")
NAME = re.compile(r"[A-Za-z_][\w.]*[a-z]\w*|[a-z]+(?:-[a-z]+)+")
OUTPUT = re.compile(r"[\w*.-]+\.(?:png|jsonl?|parquet|html|md)\b")
EXAMPLES = {"content.png", "style.png", "again.png"}  # a user's own files, in commands

each_page, each_page_of_code = (
    pytest.mark.parametrize("page", pages, ids=lambda page: str(page.relative_to(ROOT)))
    for pages in (PAGES, OF_CODE)
)


def fenced(page, language):
    """Blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", TEXTS[page], re.MULTILINE | re.DOTALL)


def indented(page):
    """Lines that are indented: commands."""
    return [line.strip() for line in re.findall(r"^ {4}(\S.*)$", TEXTS[page], re.MULTILINE)]


def spans(page):
    """What stands in backticks within the text."""
    text = re.sub(r"^```.*?^```|^ {4}\S.*?$", "", TEXTS[page], flags=re.MULTILINE | re.DOTALL)
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text)]


def table(page, first):
    """Rows of the table whose header begins with a cell; of each cell, the names in backticks.

    What is explained in parentheses is left aside.
    """
    rows = re.search(rf"^\| {first} \|.*\n\|[ |-]+\n((?:\|.*\n)+)", TEXTS[page], re.MULTILINE)[1]
    return [
        [re.findall(r"`(\w+)`", re.sub(r"\([^)]*\)", "", cell)) for cell in row.strip("|").split(" | ")]
        for row in rows.splitlines()
    ]


def names_in(cells):
    return {name for names in cells for name in names}


# --- links, paths, names


def anchors(page):
    headings = re.findall(r"^#+ (.+)$", TEXTS[page], re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_page
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", TEXTS[page]):
        if link.startswith(("http:", "https:")):
            continue
        place, _, anchor = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        assert target.exists(), f"there is no {link}"
        assert not anchor or anchor in anchors(target), f"there is no heading for {link}"


@each_page
def test_paths_and_modules_exist(page):
    for path in PATH.findall(TEXTS[page]):
        assert (ROOT / path).exists(), f"there is no {path}"
    for name in MODULE.findall(TEXTS[page]):
        assert (ROOT / f"{name.replace('.', '/')}.py").exists(), f"there is no module {name}"


@each_page
def test_no_page_names_a_place_on_somebodys_machine(page):
    assert not re.search(r"(?<![\w./~-])/(?:home|mnt|opt|root|srv|tmp|usr|var|work)\b", TEXTS[page])


@each_page_of_code
def test_names_are_those_of_the_code(page):
    others = [ROOT / "pyproject.toml", ROOT / "prefect.yaml", *(ROOT / "tests").rglob("*.py")]
    words = {
        *re.findall(r"\w+", CODE),
        *(word for path in others for word in re.findall(r"\w+", path.read_text())),
    }
    for span in spans(page):
        if NAME.fullmatch(span) and not (ROOT / span).exists():
            assert {*re.split(r"[.-]", span)} <= words, f"nothing is called {span}"


# --- the command line


@cache
def commands():
    """Command, with the commands above it -> its arguments by option."""
    return arguments_below(app, ())


def arguments_below(parent, above):
    found = {}
    for name in parent:
        if not name.startswith("-"):
            command = parent[name]
            arguments = command.assemble_argument_collection() if command.default_command else ()
            found[*above, name] = {option: argument for argument in arguments for option in argument.names}
            found |= arguments_below(command, (*above, name))
    return found


ALWAYS = {*app.help_flags, *app.version_flags, "--install-completion"}


def check_options(tokens, known):
    for option, value in pairwise([*tokens, ""]):
        if option.startswith("-") and option not in ALWAYS:
            assert option in known, f"there is no option {option}"
            choices = known[option].get_choices()
            assert not choices or not re.match(r"[a-z]", value) or value in choices, f"{option} {value}"


def check_command(tokens):
    """What is said of a command, maybe without all that it needs, exists."""
    above = ()
    while tokens and (*above, tokens[0]) in commands():
        above, tokens = (*above, tokens[0]), tokens[1:]
    assert above or not tokens or tokens[0] in ALWAYS, f"there is no command {tokens[0]}"
    check_options(tokens, commands().get(above, {}))


@each_page
def test_commands_can_be_given_as_they_are_written(page):
    for line in indented(page):
        tokens = shlex.split(line, comments=True)
        if tokens[0] == "pst":
            check_command(tokens[1:])
            app.parse_args(tokens[1:], exit_on_error=False, print_error=False)
        elif tokens[0] == "make":
            assert re.search(rf"^{tokens[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE), line


@each_page
def test_commands_and_options_in_the_text_exist(page):
    everywhere = {option: found for known in commands().values() for option, found in known.items()}
    for tokens in (span.split() for span in spans(page)):
        if tokens[0] == "pst":
            check_command(tokens[1:])
        elif tokens[0].startswith("--"):
            check_options(tokens, everywhere)


@each_page
def test_options_of_scripts_exist(page):
    for script, rest in re.findall(r"python (tests/\S+\.py)([^`\n]*)", TEXTS[page]):
        for option in re.findall(r"--[\w-]+", rest):
            assert f'"{option}"' in (ROOT / script).read_text("utf-8"), f"{script} has no {option}"


# --- variables


def variables(text, prefix):
    return {*re.findall(rf"\b{prefix}_[A-Z0-9_]*[A-Z0-9]\b", text)}


@each_page
def test_variables_are_read_by_somebody(page):
    settings = {f"PST_{name.upper()}" for name in ("preset", *Config.model_fields)}
    of_containers = set(variables_of())
    assert variables(TEXTS[page], "PST") <= variables(CODE, "PST") | settings | of_containers
    for name in variables(TEXTS[page], "PREFECT") - variables(CODE, "PREFECT"):
        assert hasattr(prefect.settings, name), f"Prefect reads no {name}"


def test_every_variable_is_told():
    assert variables(CODE, "PST") <= variables(TEXTS[DOCS["settings"]], "PST")


# --- output folders


def output_names():
    """Names of what the program writes, with those that go by the name of their picture or page."""
    names = set()
    for value in (value for constant, value in vars(layout).items() if constant.isupper()):
        names |= {value} if isinstance(value, str) else {*getattr(value, "values", value.__iter__)()}
    picture, page = Path(layout.RESULT), Path(layout.STUDY)
    beside = layout.report_path(picture), layout.losses_path(picture), layout.key_path(page)
    beside += (layout.look_path(picture, layout.LOOK),)
    return names | {path.name for path in beside}


@each_page_of_code
def test_output_is_called_as_the_program_calls_it(page):
    known = output_names() | EXAMPLES | {path.name for path in PAGES}
    known |= {path.name for path in (ROOT / "data").rglob("*.*")}
    for name in OUTPUT.findall(" ".join([*spans(page), *indented(page)])):
        assert name in known, f"no output folder holds {name}"


def test_all_output_is_told():
    told = {
        word.strip("/") for page in PAGES for part in [*spans(page), *indented(page)] for word in part.split()
    }
    assert output_names() <= told


# --- tables and examples


def test_settings_of_each_step_are_its_sections():
    told = {section: names for _, [section], names in table(DOCS["settings"], "step")}
    for section, names in told.items():
        assert sorted(names) == sorted(getattr(config, section).model_fields), section
    assert names_in(told.values()) | {"method"} == {*Config.model_fields}


def test_presets_are_all_told():
    assert [name for [name], _ in table(DOCS["settings"], "preset")] == [*config.PRESETS]


@each_page
def test_examples_of_files_can_be_used(page):
    for block in fenced(page, "toml"):
        given = tomllib.loads(block)
        Config.make(given.pop("preset", "default"), **given)
    for block in fenced(page, "csv"):
        header, *rows = csv.reader(io.StringIO(block))
        assert {*header} <= {*COLUMNS, *Config.model_fields}
        assert all(len(row) == len(header) for row in rows)


def test_events_have_the_fields_that_are_told():
    told, written, of_pairs = {}, {}, set()
    for [event], _, fields in table(DOCS["batches"], "event"):
        told.setdefault(event, set()).update(fields)
    for node in (node for text in SOURCES.values() for node in ast.walk(ast.parse(text))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "emit":
            event = ast.literal_eval(node.args[0])
            written.setdefault(event, set()).update(part.arg for part in node.keywords if part.arg)
        elif isinstance(node, ast.ClassDef) and node.name in ("PairOutcome", "Standing"):
            of_pairs |= {part.target.id for part in node.body if isinstance(part, ast.AnnAssign)}
    assert told.keys() == written.keys()
    for event, fields in told.items():
        assert written[event] <= fields <= written[event] | (of_pairs if event == "pair" else set()), event


def functions(path):
    """Functions of a module, with those of its classes, and what decorates them."""
    found = [node for node in ast.walk(ast.parse(SOURCES[ROOT / path])) if isinstance(node, ast.FunctionDef)]
    return {node.name: [*map(ast.unparse, node.decorator_list)] for node in found}


def test_the_walk_is_that_of_the_code():
    moves, steps, tasks, sections, kinds = zip(*table(DOCS["architecture"], "step of the walk"), strict=True)
    assert [move for [move] in moves] == [
        name for name in functions("pst_core/pipeline/walk.py") if name != "walk"
    ]
    known = functions("pst_core/pipeline/steps.py")
    assert names_in(steps) == {name for name, decorators in known.items() if "step" in decorators}
    units = {name for path in (ROOT / "tasks").glob("*.py") for name in functions(path)}
    assert names_in(tasks) <= units
    assert all(hasattr(config, name) for name in names_in(sections))
    artifacts = SOURCES[ROOT / "pst_core/pipeline/artifacts.py"]
    assert all(re.search(rf"^{name} = ", artifacts, re.MULTILINE) for name in names_in(kinds))


def test_rooms_are_all_told_in_the_order_of_their_layers():
    tree = fenced(DOCS["architecture"], "text")[0]
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    for contract in contracts:
        for floor in contract.get("containers", ()):
            told = re.search(rf"^{floor}/.*\n((?: .*\n)+)", tree, re.MULTILINE)[1].split("\n")[:-1]
            rooms = [line.split()[0] for line in told]
            assert all((ROOT / floor / room).exists() for room in rooms)
            layers = [re.split(r"[ |]+", layer) for layer in contract["layers"]]
            rank = {room: index for index, layer in enumerate(layers) for room in layer}
            assert {Path(room).stem for room in rooms} == rank.keys()
            assert [rank[Path(room).stem] for room in rooms] == sorted(rank.values())
