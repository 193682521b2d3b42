"""The configuration's JSON Schema, for editors and for other programs."""

from __future__ import annotations

import json

from pydantic.json_schema import GenerateJsonSchema

from sftp_orchestrator.config.model import Configuration


def get_schema() -> dict[str, object]:
    """Return the JSON Schema (draft 2020-12) of the configuration, with descriptions, defaults and examples. Pure."""
    schema = Configuration.model_json_schema()
    return {"$schema": GenerateJsonSchema.schema_dialect, **schema, "title": "SFTP orchestrator"}


def render() -> str:
    """Return the schema as JSON text. Pure."""
    return json.dumps(get_schema(), indent=2, ensure_ascii=False) + "\n"
