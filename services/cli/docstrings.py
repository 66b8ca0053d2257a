"""The texts that stand under the fields of a struct and under the constants of a module: Python itself forgets them."""

import ast
import inspect
import textwrap
from itertools import pairwise
from types import ModuleType

from msgspec import Struct


def of_fields(kind: type[Struct]) -> dict[str, str]:
    """Every field of *kind* that has a text, those of its bases too."""
    found: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        if each is not Struct and issubclass(each, Struct):
            body = ast.parse(textwrap.dedent(inspect.getsource(each))).body[0]
            assert isinstance(body, ast.ClassDef)
            found |= _texts(body.body)
    return found


def of_constants(module: ModuleType) -> dict[str, str]:
    """Every annotated constant of *module* that has a text."""
    return _texts(ast.parse(inspect.getsource(module)).body)


def _texts(body: list[ast.stmt]) -> dict[str, str]:
    return {
        field.target.id: " ".join(str(below.value.value).split())
        for field, below in pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
    }
