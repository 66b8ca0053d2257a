""".env.example says the truth about every setting, and copying it changes none."""

import re
from io import StringIO

import pytest
from dotenv import dotenv_values
from msgspec import Struct

from services.runtime import settings
from tests.house import env_example
from tests.house.env_example import KINDS, PATH

VARIABLE = re.compile(r"^#([A-Z][A-Z0-9_]*)=", re.MULTILINE)


def uncommented() -> dict[str, str]:
    """The file's variables, as if every # in front of one were taken away."""
    text = VARIABLE.sub(r"\1=", PATH.read_text("utf-8"))
    return {name: value or "" for name, value in dotenv_values(stream=StringIO(text)).items()}


def test_every_variable_of_every_service_is_there_and_no_other() -> None:
    """Once each."""
    there = VARIABLE.findall(PATH.read_text("utf-8"))
    assert sorted(there) == sorted({name for kind in KINDS for name in settings.variables(kind)})


def test_each_value_is_the_default() -> None:
    """As the settings structs have it; where two services differ, as the command has it."""
    values = uncommented()
    assert {name: env_example.defaults(name)[0] for name in values} == values


def test_only_the_address_of_the_broker_has_two_defaults() -> None:
    """`up` starts its own broker when there is none; any other variable that two services read means one thing."""
    names = {name for kind in KINDS for name in settings.variables(kind)}
    assert {name for name in names if len(set(env_example.defaults(name))) > 1} == {"NATS_URL"}


def test_a_copy_as_it_is_changes_nothing() -> None:
    """Every variable is commented out."""
    assert dotenv_values(PATH) == {}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_taking_every_comment_sign_away_changes_nothing_either(kind: type[Struct]) -> None:
    """Each default can be written as it stands there."""
    assert settings.load(kind, uncommented()) == kind()


def test_every_variable_is_explained_as_in_the_code() -> None:
    """The text is that under the field; when this fails: python -m tests.house.env_example"""
    assert PATH.read_text("utf-8") == env_example.text()
    assert [name for kind in KINDS for name, said in env_example.docstrings(kind) if not said] == []
