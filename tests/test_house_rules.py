"""The rules of CONTRIBUTING.md that a machine can check, by a walk over the syntax trees."""

import ast
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "posedistill"
MAX_FILE_LINES, MAX_FUNCTION_LINES, MAX_NESTED_FUNCTION_LINES = 400, 60, 10
MAX_PARAMETERS, MAX_POSITIONAL, MAX_NESTING = 6, 2, 3
EXCEPTION = "# house rule:"  # on the line of a def: why a rule would make this one place worse
VAGUE_NAMES = {"utils", "util", "common", "core", "misc", "base", "helpers", "helper", "v2"}
MACHINE_PATH = re.compile(r"(?<![\w.~/])/(home|root|work|tmp|opt|Users|mnt)/\w")

Function = ast.FunctionDef | ast.AsyncFunctionDef
_BLOCKS = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.AsyncFor, ast.AsyncWith)


def _files(*folders: str, suffix: str = ".py") -> list[Path]:
    return [file for folder in folders for file in sorted((ROOT / folder).rglob(f"*{suffix}"))]


def _name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


PACKAGE_FILES = _files("src")
CODE_FILES = _files("src", "tests", "examples", "benchmarks")
TEXT_FILES = [*CODE_FILES, *_files("docs", "src", suffix=".md"), *sorted(ROOT.glob("*.md"))]
INIT_FILES = [file for file in PACKAGE_FILES if file.name == "__init__.py"]


def _for_each(files: list[Path]) -> Callable[[Callable[[Path], None]], Callable[[], None]]:
    """Make one test of a check of one file: a test for each of thousands would take a minute."""

    def all_files(check: Callable[[Path], None]) -> Callable[[], None]:
        def test() -> None:
            broken = [message for file in files for message in _message(check, file)]
            assert not broken, "\n".join(broken)

        test.__name__ = check.__name__
        return test

    return all_files


def _message(check: Callable[[Path], None], file: Path) -> list[str]:
    try:
        check(file)
    except AssertionError as error:
        return [str(error)]
    return []


every_code_file, every_package_file = _for_each(CODE_FILES), _for_each(PACKAGE_FILES)


@cache
def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def _functions(file: Path) -> tuple[Function, ...]:
    """Give the functions of a file, without those whose def line claims an exception."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return tuple(
        node
        for node in ast.walk(_tree(file))
        if isinstance(node, Function)
        and not any(EXCEPTION in line for line in lines[node.lineno - 1 : node.body[0].lineno])
    )


def _at(file: Path, node: ast.expr | ast.stmt, *, text: str) -> str:
    return f"{_name(file)}:{node.lineno}: {text}"


def _length(function: Function) -> int:
    """Give the lines of a function without its docstring."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is not None:
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def _parameters(function: Function) -> tuple[int, int]:
    """Give how many parameters a function takes, and how many of them by position."""
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    if positional and positional[0].arg in ("self", "cls"):
        positional = positional[1:]
    extra = sum(argument is not None for argument in (arguments.vararg, arguments.kwarg))
    return len(positional) + len(arguments.kwonlyargs) + extra, len(positional)


def _nesting(node: ast.AST, depth: int = 0) -> int:
    """Give how deep blocks stand in each other; an elif is no deeper than its if."""
    deepest = depth
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, Function | ast.ClassDef):
                continue
            is_elif = isinstance(node, ast.If) and field == "orelse" and isinstance(child, ast.If)
            deeper = isinstance(child, _BLOCKS) and not is_elif
            deepest = max(deepest, _nesting(child, depth + deeper))
    return deepest


@every_code_file
def test_a_file_is_short(file: Path) -> None:
    lines = len(file.read_text(encoding="utf-8").splitlines())
    assert lines <= MAX_FILE_LINES, f"{_name(file)} has {lines} lines; split it by idea"


@every_code_file
def test_functions_are_short(file: Path) -> None:
    long = [
        _at(file, function, text=f"{function.name} has {_length(function)} lines")
        for function in _functions(file)
        if _length(function) > MAX_FUNCTION_LINES
    ]
    assert not long, f"more than {MAX_FUNCTION_LINES} lines without docstring:\n" + "\n".join(long)


@every_package_file
def test_functions_inside_functions_are_very_short(file: Path) -> None:
    long = {
        _at(file, inner, text=f"{inner.name} inside {outer.name} has {_length(inner)} lines")
        for outer in _functions(file)
        for inner in ast.walk(outer)
        if isinstance(inner, Function) and inner is not outer
        if _length(inner) > MAX_NESTED_FUNCTION_LINES
    }
    assert not long, f"more than {MAX_NESTED_FUNCTION_LINES} lines:\n" + "\n".join(sorted(long))


@every_code_file
def test_functions_take_few_parameters(file: Path) -> None:
    many = [
        _at(file, function, text=f"{function.name} takes {_parameters(function)[0]}")
        for function in _functions(file)
        if _parameters(function)[0] > MAX_PARAMETERS
    ]
    assert not many, f"more than {MAX_PARAMETERS} parameters:\n" + "\n".join(many)


@every_package_file
def test_public_functions_take_the_third_parameter_by_keyword(file: Path) -> None:
    many = [
        _at(file, function, text=f"{function.name} takes {_parameters(function)[1]} by position")
        for function in _functions(file)
        if not function.name.startswith("_") or function.name == "__init__"
        if _parameters(function)[1] > MAX_POSITIONAL
    ]
    assert not many, "put a * after the second parameter of:\n" + "\n".join(many)


@every_package_file
def test_blocks_do_not_nest_deeply(file: Path) -> None:
    deep = [
        _at(file, function, text=f"{function.name} nests {_nesting(function)} blocks")
        for function in _functions(file)
        if _nesting(function) > MAX_NESTING
    ]
    assert not deep, f"more than {MAX_NESTING} blocks deep; return early:\n" + "\n".join(deep)


@every_package_file
def test_a_module_has_a_telling_name(file: Path) -> None:
    vague = VAGUE_NAMES.intersection(file.relative_to(PACKAGE).with_suffix("").parts)
    assert not vague, f"{_name(file)}: {vague} could hold anything; name the one idea it holds"


@every_code_file
def test_imports_are_absolute(file: Path) -> None:
    relative = [
        _at(file, node, text=f"from {'.' * node.level}{node.module or ''}")
        for node in ast.walk(_tree(file))
        if isinstance(node, ast.ImportFrom) and node.level > 0
    ]
    assert not relative, "write the whole name of the module:\n" + "\n".join(relative)


@every_package_file
def test_only_the_command_line_prints(file: Path) -> None:
    calls = [
        _at(file, node, text="print")
        for node in ast.walk(_tree(file))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
        if not file.name.startswith("cli")
    ]
    assert not calls, "the library logs, the command line prints:\n" + "\n".join(calls)


def _is_export(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return True
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)
    if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
        return not any(isinstance(node, ast.Call) for node in ast.walk(statement.value))
    return False


@_for_each(INIT_FILES)
def test_an_init_file_only_exports(file: Path) -> None:
    others = [
        _at(file, statement, text=type(statement).__name__)
        for statement in _tree(file).body
        if not _is_export(statement)
    ]
    assert not others, "an __init__ defines and runs nothing:\n" + "\n".join(others)


@_for_each(TEXT_FILES)
def test_no_file_names_a_path_of_one_machine(file: Path) -> None:
    lines = file.read_text(encoding="utf-8").splitlines()
    named = [
        f"{_name(file)}:{number}: {line.strip()[:80]}"
        for number, line in enumerate(lines, start=1)
        if MACHINE_PATH.search(line)
    ]
    assert not named, "paths that exist on one machine only:\n" + "\n".join(named)


RULE_BREAKERS = {
    "nesting": "def f(a):\n if a:\n  for b in a:\n   with b:\n    if b:\n     return\n",
    "elif": "def f(a):\n if a:\n  return\n elif a:\n  return\n elif a:\n  return\n",
    "parameters": "def f(self, a, b, *rest, c, d, **more): pass\n",
    "length": 'def f():\n """One\n two.\n """\n a = 1\n return a\n',
}


def _first_function(name: str) -> Function:
    function = ast.parse(RULE_BREAKERS[name]).body[0]
    assert isinstance(function, Function)
    return function


def test_nesting_counts_blocks_but_not_elif() -> None:
    assert _nesting(_first_function("nesting")) == 4
    assert _nesting(_first_function("elif")) == 1


def test_parameters_are_counted_without_self() -> None:
    assert _parameters(_first_function("parameters")) == (6, 2)


def test_length_leaves_the_docstring_out() -> None:
    assert _length(_first_function("length")) == 3


def test_machine_paths_are_told_from_other_text() -> None:
    found = MACHINE_PATH.search("see /" + "home/me/x")
    assert found is not None
    assert MACHINE_PATH.search("tests/tmp/x and https://a.org/home/x") is None
