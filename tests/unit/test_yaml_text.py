"""YAML that is written by hand is read back as what was meant."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import example, given, strategies

from sftp_orchestrator.config import document
from sftp_orchestrator.config.yaml_text import quote, render_flow, render_text

TRAPS = (
    *("yes", "on", "null", "~", "", " ", "2024", "022", "2024-01-01", "22:30", "1e5", "<<", "=", "!x", "&a", "*a"),
    *("- a", "a: b", "a #b", "'", '"', "{", "[", "%", "@", "`", "\u2028", "\x85", "\ufeff", "\x7f", "\x07"),
    "\U0001f600",
)


@pytest.mark.parametrize("text", TRAPS)
def test_text_that_yaml_misreads_is_quoted(text: str) -> None:
    """As a key and as a value, to PyYAML and to the configuration's own reader, it is the text that it was."""
    written = f"{render_text(text)}: {render_flow({'a': text})}"
    assert yaml.safe_load(written) == {text: {"a": text}}
    read = document.parse(written)
    assert (read.value, read.problems) == ({text: {"a": text}}, ())


@given(strategies.text())
@example("\ud7ff\ue000")
def test_any_text_comes_back(text: str) -> None:
    """Quoted or not, any text is one line that is read back as the same, by both readers."""
    for written in (quote(text), render_text(text)):
        assert written.isprintable()
        assert yaml.safe_load(written) == text
        assert document.parse(written).value == text
