"""Definitions of the package's own code: what each does and which others it uses.

A definition is a function, a class or an assigned constant at the top level of a module. It is
written as text by what it does: without comments, docstrings, annotations of functions, imports of
the package and names of its modules, so that moving it changes nothing.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from spfem.errors import ArtifactError

PACKAGE_FOLDER = Path(__file__).parents[1]
STUDIES_FOLDER = PACKAGE_FOLDER.parent / "notebooks" / "studies"  # make stages of their own
PLUMBING = frozenset(
    ("errors", "files", "processes", "run.artifacts", "run.deciding_code", "run.definitions",
     "run.workspace")
)  # fmt: skip
"""Modules of the package that decide no number and are not read; a test holds that they exist."""
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
LEFT_OUT = frozenset(
    ("ctx", "kind", "type_comment", "lineno", "col_offset", "end_lineno", "end_col_offset")
)  # of syntax nodes
LEAVES = frozenset(
    (type(None), str, ast.Constant, ast.Load, ast.Store, ast.Lambda, *COMPREHENSIONS)
)
NAMING = frozenset((ast.ExceptHandler, ast.MatchAs, ast.MatchStar))


class Name(NamedTuple):
    """A name of a module; of a module as a whole, an empty name."""

    module: str
    name: str


@dataclass(frozen=True)
class Definition:
    """One definition at the top level of a module.

    Attributes:
        name: where it stands.
        text: what it does, as text without layout.
        uses: the names of the package that it uses.
        foreign: names of other packages that it uses.
        takes: names in the annotations of the parameters of a function.
        returns: names in the annotation of what a function returns.
        is_function: whether it is one.
        hands_on: the functions whose results a function returns as they are, if it does so always.
    """

    name: Name
    text: str
    uses: frozenset[Name]
    foreign: frozenset[str]
    takes: frozenset[Name]
    returns: frozenset[Name]
    is_function: bool
    hands_on: frozenset[Name]

    @cached_property
    def own_hash(self) -> str:
        """Of the definition without what it uses."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass
class _Scope:
    """Names that a function binds, and what it imports."""

    bound: set[str] = field(default_factory=set)
    imports: dict[str, Name] = field(default_factory=dict)


class _Module:
    """The names that the top level of one file binds, to statements or to imports."""

    def __init__(self, name: str, path: Path, source: bytes):
        self.name, self.path = name, path
        self.package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        self.statements: dict[str, list[ast.stmt]] = {}
        self.imports: dict[str, Name] = {}
        self.stars: list[str] = []  # modules whose names it offers as its own
        self.effects: list[ast.stmt] = []  # statements that bind nothing: they run on import
        for statement in ast.parse(source).body:
            self._take(statement)

    def _take(self, statement: ast.stmt) -> None:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            found = imported_names(statement, self.package)
            self.stars += [found.pop("*").module] if "*" in found else []
            self.imports |= found
            return
        if isinstance(statement, ast.If) and _names_type_checking(statement.test):
            for inner in (*statement.body, *statement.orelse):
                self._take(inner)
            return
        if _is_text(statement) or _is_main(statement):
            return
        scope = bound_names([statement], self.package)
        names = scope.bound | set(scope.imports)
        names |= {_changed_name(statement)} & set(self.statements)
        for name in names:
            self.statements.setdefault(name, []).append(statement)
        if not names:
            self.effects.append(statement)


class CodeBase:
    """The code of one package folder and of packages that build on it, each file read once.

    Args:
        folder: of the package; its name is that of the package.
        more: folders of other packages, named as their folders.
    """

    def __init__(self, folder: Path = PACKAGE_FOLDER, *more: Path):
        self.folder, self.package = folder, folder.name
        self.folders = {each.name: each for each in (folder, *more)}
        self._modules: dict[str, _Module | None] = {}
        self._definitions: dict[Name, Definition] = {}

    def read(self, path: Path) -> bytes:
        """What a file holds."""
        return path.read_bytes()

    def module(self, name: str) -> _Module | None:
        """The module of that full name, None if there is none."""
        if name not in self._modules:
            package, *parts = name.split(".")
            path = self.folders[package].joinpath(*parts)
            files = (path.with_suffix(".py"), path / "__init__.py")
            found = next((file for file in files if file.is_file()), None)
            self._modules[name] = None if found is None else _Module(name, found, self.read(found))
        return self._modules[name]

    def holds(self, module: str) -> bool:
        """Whether a module belongs to one of the packages."""
        return module.partition(".")[0] in self.folders

    def is_plumbing(self, module: str) -> bool:
        """Whether a module of the package decides no number."""
        return module.removeprefix(f"{self.package}.") in PLUMBING

    def resolve(self, wanted: Name) -> Name:
        """Where a name is defined, through re-exports; a module has an empty name.

        Raises:
            ArtifactError: if the package has no such name.
        """
        if not self.holds(wanted.module) or self.is_plumbing(wanted.module):
            return wanted
        whole = wanted.module if not wanted.name else f"{wanted.module}.{wanted.name}"
        module = self.module(wanted.module)
        if module is not None and wanted.name in module.statements:
            return wanted
        if module is not None and wanted.name in module.imports:
            return self.resolve(module.imports[wanted.name])
        if self.is_plumbing(whole) or self.module(whole) is not None:
            return Name(whole, "")
        if (starred := self.starred(module, wanted.name)) is not None:
            return self.resolve(starred)
        if wanted.name.startswith("__"):  # such as `__file__`, which every module has
            return Name(wanted.module, "")
        raise ArtifactError(f"{wanted.module} has no {wanted.name}, which code of it uses")

    def starred(self, module: _Module | None, name: str) -> Name | None:
        """Where a name comes from that a module has by `from ... import *`, if it has."""
        for star in module.stars if module is not None else ():
            other = self.module(star)
            if other is not None and name in {*other.statements, *other.imports}:
                return Name(star, name)
        return None

    def definition(self, name: Name) -> Definition:
        """The definition of a resolved name; with an empty name, what runs on import."""
        if name not in self._definitions:
            module = self.module(name.module)
            if module is None:
                raise ArtifactError(f"no module {name.module} in {self.folder}")
            statements = module.statements[name.name] if name.name else module.effects
            self._definitions[name] = _Reader(self, module).read(name, statements)
        return self._definitions[name]


class _Reader:
    """Writes one definition as text, and notes the names that it uses."""

    def __init__(self, code: CodeBase, module: _Module):
        self._code, self._module = code, module
        self._text: list[str] = []
        self._scopes: list[_Scope] = []
        self._uses: set[Name] = set()
        self._foreign: set[str] = set()
        self._in_class = False

    def read(self, name: Name, statements: list[ast.stmt]) -> Definition:
        """The definition that statements make."""
        self._visit(statements)
        text, uses = "".join(self._text), frozenset(self._uses - {name})
        if not statements or not isinstance(statements[0], FUNCTIONS):
            none = frozenset[Name]()
            return Definition(name, text, uses, frozenset(self._foreign), none, none, False, none)
        function, foreign = statements[0], frozenset(self._foreign)
        annotations = [n.annotation for n in ast.walk(function.args) if isinstance(n, ast.arg)]
        takes, returns = self._used_by(annotations), self._used_by(function.returns)
        self._scopes.append(bound_names(function.body, self._module.package))
        called = [
            self._used_by(value.func) - {name} if isinstance(value, ast.Call) else frozenset()
            for value in _returned_values(function)
        ]
        handed = frozenset[Name]().union(*called) if all(called) else frozenset[Name]()
        return Definition(name, text, uses, foreign, takes, returns, True, handed)

    def _used_by(self, node: ast.AST | list[ast.expr | None] | None) -> frozenset[Name]:
        before, self._uses = self._uses, set()
        self._visit(node)
        used, self._uses = self._uses, before
        return frozenset(used)

    def _visit(self, node: Any) -> None:
        kind = type(node)
        if kind is list:
            for item in node:
                length = len(self._text)
                self._visit(item)
                if len(self._text) > length:  # nothing of docstrings and imports
                    self._text.append(",")
        elif kind is ast.Name:
            self._refer(node, ())
        elif kind is ast.Attribute:
            self._attribute(node)
        elif kind is ast.Constant:
            self._text.append(f"Constant({node.value!r})")
        elif kind is ast.Call:
            self._fields(node)
            self._text.append(self._data_of(node))
        elif kind in FUNCTIONS or kind is ast.Lambda:
            self._function(node)
        elif kind in COMPREHENSIONS:
            self._comprehension(node)
        elif kind is ast.ClassDef:
            before, self._in_class = self._in_class, True
            self._fields(node)
            self._in_class = before
        elif kind is ast.AnnAssign:
            self._fields(node, "" if self._in_class else "annotation")
        elif kind is ast.Import or kind is ast.ImportFrom:
            if not self._scopes:  # in a `try` of a module
                for target in imported_names(node, self._module.package).values():
                    self._note(target)
        elif not isinstance(node, ast.AST):
            self._text.append(repr(node))
        elif not _is_text(node):
            self._fields(node)

    def _fields(self, node: ast.AST, skipped: str = "") -> None:
        self._text.append(f"{type(node).__name__}(")
        for name, value in vars(node).items():
            if value is None or value == [] or name in LEFT_OUT or name == skipped:
                continue
            self._text.append(f"{name}=")
            self._visit(value)
            self._text.append(",")
        self._text.append(")")

    def _function(self, node: Any) -> None:
        arguments = node.args
        self._text.append(f"{node.__class__.__name__}({getattr(node, 'name', '')},")
        self._visit(getattr(node, "decorator_list", []))
        self._text.append(";")
        for default in (*arguments.defaults, *arguments.kw_defaults):
            self._visit(default)
            self._text.append(",")
        body = node.body if isinstance(node.body, list) else [node.body]
        scope = bound_names(body, self._module.package)
        taken = [arguments.posonlyargs, arguments.args, arguments.kwonlyargs]
        names = [[one.arg for one in group] for group in taken]
        names += [[one.arg] for one in (arguments.vararg, arguments.kwarg) if one]
        scope.bound.update(name for group in names for name in group)
        extra = [bool(arguments.vararg), bool(arguments.kwarg)]
        self._text.append(f"{names}{extra}:")
        before, self._in_class = self._in_class, False
        self._scopes.append(scope)
        self._visit(body)
        self._scopes.pop()
        self._in_class = before
        self._text.append(")")

    def _comprehension(self, node: Any) -> None:
        first, *later = node.generators
        self._text.append(f"{node.__class__.__name__}(")
        self._visit(first.iter)  # outside of the scope of the comprehension
        self._scopes.append(bound_names([one.target for one in node.generators], ""))
        self._visit([first.target, *first.ifs, *later])
        for name in ("elt", "key", "value"):
            if hasattr(node, name):
                self._text.append(f"{name}=")
                self._visit(getattr(node, name))
        self._scopes.pop()
        self._text.append(")")

    def _attribute(self, node: ast.Attribute) -> None:
        names, base = [node.attr], node.value
        while isinstance(base, ast.Attribute):
            names.append(base.attr)
            base = base.value
        if isinstance(base, ast.Name):
            self._refer(base, tuple(reversed(names)))
        else:
            self._visit(base)
            self._text.append("." + ".".join(reversed(names)))

    def _refer(self, base: ast.Name, attributes: tuple[str, ...]) -> None:
        """A name and what is taken of it; names of modules of the package are left out."""
        target, written = self._find(base.id), base.id
        if target is not None and self._code.holds(target.module):
            target = self._code.resolve(target)
            while not target.name and attributes and not self._code.is_plumbing(target.module):
                target = self._code.resolve(Name(target.module, attributes[0]))
                attributes = attributes[1:]
            if not target.name and attributes:  # of plumbing
                target, attributes = Name(target.module, attributes[0]), attributes[1:]
            written = target.name or "module"
            self._note(target)
        elif target is not None:
            self._foreign.add(".".join(filter(None, (*target, *attributes[:1]))))
        self._text.append(".".join(("", written, *attributes)))

    def _find(self, name: str) -> Name | None:
        """What a name stands for here; None for a local variable or a builtin."""
        for scope in reversed(self._scopes):
            if name in scope.imports:
                return scope.imports[name]
            if name in scope.bound:
                return None
        if name in self._module.statements:
            return Name(self._module.name, name)
        return self._module.imports.get(name) or self._code.starred(self._module, name)

    def _note(self, target: Name) -> None:
        if not self._code.holds(target.module):
            self._foreign.add(".".join(filter(None, target)))
            return
        target = self._code.resolve(target)
        if target.name or self._code.is_plumbing(target.module):
            self._uses.add(target)
        elif (module := self._code.module(target.module)) is not None:  # a module as an object
            self._uses |= {Name(module.name, name) for name in module.statements}

    def _data_of(self, call: ast.Call) -> str:
        """Hash of a file beside the module that `Path(__file__).with_name("...")` names."""
        if not (isinstance(call.func, ast.Attribute) and call.func.attr == "with_name"):
            return ""
        inside = {node.id for node in ast.walk(call.func) if isinstance(node, ast.Name)}
        if "__file__" not in inside or not isinstance(call.args[0], ast.Constant):
            return ""
        file = self._module.path.with_name(str(call.args[0].value))
        return hashlib.sha256(self._code.read(file)).hexdigest() if file.is_file() else ""


def imported_names(statement: ast.Import | ast.ImportFrom, package: str) -> dict[str, Name]:
    """The names that an import binds; `package` is what relative imports start from."""
    if isinstance(statement, ast.Import):
        named = [
            (a.asname, a.name if a.asname else a.name.partition(".")[0]) for a in statement.names
        ]
        return {bound or module: Name(module, "") for bound, module in named}
    parts = package.split(".")[: 1 - statement.level or None] if statement.level else []
    module = ".".join([*parts, *([statement.module] if statement.module else [])])
    return {alias.asname or alias.name: Name(module, alias.name) for alias in statement.names}


def bound_names(nodes: Iterable[ast.AST], package: str) -> _Scope:
    """What statements bind in their own scope, without the scopes inside them."""
    scope, waiting, outer = _Scope(), list(nodes), set()
    while waiting:
        node: Any = waiting.pop()
        kind = type(node)
        if kind is ast.Name:
            if type(node.ctx) is ast.Store:
                scope.bound.add(node.id)
        elif kind in LEAVES:
            pass
        elif kind is ast.Import or kind is ast.ImportFrom:
            scope.imports |= imported_names(node, package)
        elif kind in FUNCTIONS or kind is ast.ClassDef:
            scope.bound.add(node.name)
        elif kind is ast.Global or kind is ast.Nonlocal:
            outer |= set(node.names)
        else:
            if kind in NAMING and node.name:
                scope.bound.add(node.name)
            for value in vars(node).values():
                if isinstance(value, list):
                    waiting += value
                elif isinstance(value, ast.AST):
                    waiting.append(value)
    scope.bound -= outer
    return scope


def _returned_values(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.expr | None]:
    """What the returns of a function give, without those of functions inside it."""
    values: list[ast.expr | None] = []
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Return):
            values.append(node.value)
        elif not isinstance(node, (*FUNCTIONS, ast.ClassDef, ast.expr)):
            waiting.extend(ast.iter_child_nodes(node))
    return values


def _changed_name(statement: ast.stmt) -> str:
    """The name whose value `name[...] = ...`, `name.x = ...` or `name.add(...)` changes, or ""."""
    node: ast.AST | None = None
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        node = statement.value.func
    elif isinstance(statement, ast.Assign | ast.AugAssign):
        node = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _is_text(node: ast.AST) -> bool:
    """Whether a statement is only a string: a docstring of something."""
    value = node.value if isinstance(node, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def _is_main(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.If) and "__name__" in {
        node.id for node in ast.walk(statement.test) if isinstance(node, ast.Name)
    }


def _names_type_checking(test: ast.expr) -> bool:
    return (test.id if isinstance(test, ast.Name) else getattr(test, "attr", "")) == "TYPE_CHECKING"
