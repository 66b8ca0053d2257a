"""docs/asyncapi.json and docs/protocol.md are what the code says, and what the official parser takes."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from services.cli import asyncapi_document, asyncapi_page, asyncapi_ws
from services.cli.asyncapi_document import ASYNCAPI
from services.edge import handshake
from services.edge.settings import EdgeSettings
from services.runtime.errors import Refused
from tests.programs import modules, run

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent


@pytest.mark.parametrize(
    ("file", "written"), [("asyncapi.json", asyncapi_document.text), ("protocol.md", asyncapi_page.text)]
)
def test_the_committed_files_are_what_the_code_says(file: str, written: Any) -> None:
    """`voicebus asyncapi > docs/asyncapi.json` writes one anew, the same with `--markdown` the other."""
    assert (ROOT / "docs" / file).read_text("utf-8") == written()


@pytest.mark.timeout(400)
async def test_the_official_parser_takes_the_document_and_finds_a_mistake(tmp_path: Path) -> None:
    """Without an error and without a warning; and it is no parser that takes everything."""
    node = await asyncio.to_thread(modules, HERE)
    command = [node, str(HERE / "validate.mjs")]
    good = await run([*command, str(ROOT / "docs" / "asyncapi.json")], tmp_path)
    assert (good.code, good.output, good.errors) == (0, f"{ASYNCAPI}\n", "")
    broken = (await asyncio.to_thread(asyncapi_document.text)).replace(
        '"#/components/messages/spoken"', '"#/components/messages/none"'
    )
    await asyncio.to_thread((tmp_path / "broken.json").write_text, broken)
    bad = await run([*command, "broken.json"], tmp_path)
    assert bad.code == 1
    assert "#/components/messages/none" in bad.errors or "spoken" in bad.errors


def test_every_field_says_what_it_means() -> None:
    """Of every event and frame: a field without a text under it in the code fails here."""
    schemas = asyncapi_document.document()["components"]["schemas"]
    silent = [
        f"{name}.{field}"
        for name, schema in schemas.items()
        for field, of in schema.get("properties", {}).items()
        if not of.get("description")
    ]
    assert silent == []


def test_every_query_parameter_is_told() -> None:
    """And none that the edge does not read."""
    assert set(asyncapi_ws.query()) == set(handshake.PARAMETERS)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("session", value) for value in ("42", "a-b_C", "a.b", "x" * 64, "x" * 65)),
        *(("voice", value) for value in ("man", "v" * 65)),
        *(("language", value) for value in ("pt", "pt-BR", "p", "portuguese", "12")),
        *(("timeout", value) for value in ("1", "600", "600.5", "0", "-1")),
    ],
)
def test_the_schemas_of_the_query_and_the_handshake_agree(name: str, value: str) -> None:
    """What one takes the other takes."""
    instance = float(value) if name == "timeout" else value
    try:
        handshake.wishes(f"/ws?{name}={value}", EdgeSettings())
        taken = True
    except Refused:
        taken = False
    assert Draft202012Validator(asyncapi_ws.query()[name]).is_valid(instance) == taken
