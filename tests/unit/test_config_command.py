from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
import yaml
from typer.testing import CliRunner

from sftp_orchestrator.cli import config
from sftp_orchestrator.cli.arguments import ConfigOption
from sftp_orchestrator.config import places, sample, schema
from sftp_orchestrator.errors import ConfigurationError
from tests.support import configuration


def test_sample_and_schema_are_printed_as_they_are() -> None:
    """What is printed can be redirected into a file."""
    assert CliRunner().invoke(config.app, ["sample"]).stdout == sample.render()
    assert CliRunner().invoke(config.app, ["schema"]).stdout == schema.render()


@pytest.mark.parametrize("as_json", [False, True])
def test_show_fills_in_defaults_and_hides_secrets(tmp_path: Path, *, as_json: bool) -> None:
    """The values in effect, defaults too; a secret is its reference, never its content."""
    written = configuration.write_configuration(tmp_path)
    arguments = ["show", "--config", str(written.path), *(["--json"] if as_json else [])]
    result = CliRunner().invoke(config.app, arguments)
    shown = json.loads(result.stdout) if as_json else yaml.safe_load(result.stdout)
    destination = shown["destinations"]["production"]
    assert result.exit_code == 0
    assert destination["port"] == 22
    assert destination["private_key"] == {"file": str(written.private_key)}
    assert "PRIVATE KEY" not in result.stdout


def test_show_takes_the_environments_file(tmp_path: Path) -> None:
    """SFTP_ORCHESTRATOR_CONFIG names the file where --config does not."""
    written = configuration.write_configuration(tmp_path)
    result = CliRunner().invoke(config.app, ["show"], env={places.VARIABLE: str(written.path)})
    assert yaml.safe_load(result.stdout)["staging"] == str(tmp_path / "staging")


def test_show_takes_the_file_named_before_the_command(tmp_path: Path) -> None:
    """--config may stand before the command, too; after it, it wins."""
    written = configuration.write_configuration(tmp_path)
    program = typer.Typer()
    program.callback()(_take_config)
    program.add_typer(config.app)
    before = CliRunner().invoke(program, ["--config", str(written.path), "config", "show"])
    after = CliRunner().invoke(program, ["--config", "nowhere", "config", "show", "--config", str(written.path)])
    assert yaml.safe_load(before.stdout) == yaml.safe_load(after.stdout)
    assert yaml.safe_load(before.stdout)["workspace"] == str(tmp_path / "workspace")


def _take_config(config: ConfigOption = None) -> None:
    """Stand for the program's own callback."""


def test_show_passes_on_what_is_wrong(tmp_path: Path) -> None:
    """A missing file is the command line's own error, for the caller to print."""
    result = CliRunner().invoke(config.app, ["show", "--config", str(tmp_path / "nowhere.yml")])
    assert isinstance(result.exception, ConfigurationError)
