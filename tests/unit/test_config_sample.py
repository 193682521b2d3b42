from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sftp_orchestrator.config import credentials, effective, keys, loading, model, reference, sample, schema
from sftp_orchestrator.destination import clevertap
from tests.support import configuration

ROOT = Path(__file__).parents[2]
CONTRACT = ROOT / "tests" / "support" / "contract_config.yml"
PLAIN = (str, int, float, bool, type(None), list, dict)


def _load_in(folder: Path, text: str) -> model.Configuration:
    """Load ``text`` with its system folders moved into ``folder``, where the files it names are made."""
    keys_folder = folder / "etc"
    keys_folder.mkdir()
    configuration.write_key_files(keys_folder)
    (keys_folder / "clevertap.pub.asc").write_text("a public key", encoding="utf-8")
    text = text.replace("/etc/sftp-orchestrator", str(keys_folder)).replace("/var/lib", str(folder))
    path = folder / "config.yml"
    path.write_text(text, encoding="utf-8")
    return loading.load(path)


@pytest.mark.parametrize("text", [sample.render(), CONTRACT.read_text(encoding="utf-8")], ids=["sample", "contract"])
def test_sample_and_contract_load(tmp_path: Path, text: str) -> None:
    """The sample, and the example that outside checks rely on, load once their key files exist."""
    loaded = _load_in(tmp_path, text)
    credentials.require_secrets(loaded)
    assert loaded.get_destination("purchases").limits.plain_bytes == clevertap.PLAIN_LIMIT_BYTES
    assert loaded.schedule.deliver == "0 2 * * *"


def test_sample_says_what_the_contract_says() -> None:
    """Every key of the contract's example is in the sample, with the same value."""
    shown, promised = (yaml.safe_load(text) for text in (sample.render(), CONTRACT.read_text(encoding="utf-8")))
    assert _flatten(promised).items() <= _flatten(shown).items()


def test_sample_file_is_what_the_command_prints() -> None:
    """The sample in the tree is the model's; write it anew with: sftp-orchestrator config sample."""
    assert (ROOT / "config" / "sftp-orchestrator.yml").read_text(encoding="utf-8") == sample.render()


def test_sample_mentions_every_key_and_its_meaning() -> None:
    """No key of the model is missing from the sample, nor, but for a column's and a secret's own, its description.

    Of a section that is null, its own line names the keys that matter.
    """
    text = sample.render()
    comments = " ".join(" ".join(line.partition("# ")[2] for line in text.splitlines()).split())
    for key in keys.list_keys(model.Configuration):
        around = key.path[:-1]
        if "deduplicate" in around or "expected" in around or "schedule" in around[1:]:
            continue
        assert re.search(rf"\b{key.path[-1]}:", text), key.path
        if "columns" not in key.path[:-1] and key.path[-1] not in {"file", "env", "credential"}:
            assert " ".join(key.description.split()) in comments, key.path


def test_sample_is_no_wider_than_the_code() -> None:
    """The sample reads well: 120 columns, no trailing blanks."""
    assert all(len(line) <= 120 and line == line.rstrip() for line in sample.render().splitlines())


def test_every_key_is_described_and_every_pattern_has_words() -> None:
    """What the model leaves unsaid nobody can read: each key has a description, each pattern its meaning."""
    assert all(key.description for key in keys.list_keys(model.Configuration))
    patterns = {
        found
        for part in _walk(schema.get_schema())
        for found in [part.get("pattern"), *part.get("patternProperties", {})]
        if isinstance(found, str)
    }
    assert patterns == set(model.PATTERN_MEANINGS)


def test_schema_takes_the_sample_and_refuses_what_the_model_refuses() -> None:
    """The JSON Schema names every key, refuses unknown ones, and takes the sample."""
    described = schema.get_schema()
    shown = yaml.safe_load(sample.render())
    assert described["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert list(_violations(described, described, shown)) == []
    shown["destinations"]["production"]["port"] = 0
    shown["feeds"]["purchases"]["type"] = "evnt"
    shown["feeds"]["customers"]["colour"] = "red"
    shown["destinations"]["production"]["private_key"] = {"file": "a", "env": "B"}
    del shown["staging"]
    assert len(list(_violations(described, described, shown))) == 5


def test_reference_page_is_the_models() -> None:
    """docs/reference/configuration.md is what config/reference.py makes of the model.

    Write it anew with: python -c 'from sftp_orchestrator.config import reference; print(reference.render(), end="")'
    """
    page = ROOT / "docs" / "reference" / "configuration.md"
    assert page.read_text(encoding="utf-8") == reference.render()


def test_effective_values_load_to_the_same_configuration(tmp_path: Path) -> None:
    """What 'show' prints is a whole configuration, in YAML and in JSON, with nothing but plain values."""
    loaded = _load_in(tmp_path, sample.render())
    path = tmp_path / "shown.yml"
    for text in (effective.render_yaml(loaded), effective.render_json(loaded)):
        path.write_text(text, encoding="utf-8")
        assert loading.load(path) == loaded
    assert all(isinstance(value, PLAIN) for value in _flatten(effective.get_effective(loaded)).values())


def _flatten(values: Any, path: str = "") -> dict[str, Any]:  # noqa: ANN401 - parsed YAML is of any type
    if isinstance(values, dict) and values:
        return {k: v for name, value in values.items() for k, v in _flatten(value, f"{path}/{name}").items()}
    return {path: values}


def _walk(part: object) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict):
        yield part
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from _walk(inner)


_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def _violations(root: dict[str, Any], rule: dict[str, Any], value: Any) -> Iterator[str]:  # noqa: ANN401, C901, PLR0912 - see below
    """Yield how ``value`` breaks ``rule``: the keywords of JSON Schema that our schema uses, one after the other."""
    said = json.dumps(value, ensure_ascii=False)
    if "$ref" in rule:
        yield from _violations(root, root["$defs"][rule["$ref"].rpartition("/")[2]], value)
    if "anyOf" in rule and not any(not list(_violations(root, choice, value)) for choice in rule["anyOf"]):
        yield f"{said} is none of the choices"
    if "oneOf" in rule and sum(not list(_violations(root, choice, value)) for choice in rule["oneOf"]) != 1:
        yield f"{said} is not one of the choices"
    if "type" in rule and not isinstance(value, _TYPES[rule["type"]]):
        yield f"{said} is no {rule['type']}"
        return
    if "enum" in rule and value not in rule["enum"]:
        yield f"{said} is not among {rule['enum']}"
    if isinstance(value, int | float) and not rule.get("minimum", value) <= value <= rule.get("maximum", value):
        yield f"{said} is out of bounds"
    if isinstance(value, str) and not re.search(rule.get("pattern", ""), value):
        yield f"{said} does not match"
    for item in value if isinstance(value, list) else ():
        yield from _violations(root, rule.get("items", {}), item)
    if isinstance(value, dict):
        yield from (f"{name} is missing" for name in rule.get("required", ()) if name not in value)
        for name, inner in value.items():
            found = rule.get("properties", {}).get(name, rule.get("additionalProperties", {}))
            for pattern, named in rule.get("patternProperties", {}).items():
                found = named if re.search(pattern, name) else found
            if found is False:
                yield f"{name} is unknown"
            elif isinstance(found, dict):
                yield from _violations(root, found, inner)
