"""Alerting rules and dashboard: Prometheus itself takes them, and each metric in them is one that ``/metrics`` has."""

from __future__ import annotations

import datetime
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from sftp_orchestrator.figures import get_figures
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.progress import Board
from sftp_orchestrator.web.metrics import PREFIX, render_metrics
from sftp_orchestrator.web.pulse import Pulse
from tests.support.configuration import write_configuration

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"
DASHBOARD = ROOT / "deploy" / "grafana" / "dashboard.json"
CASES = ROOT / "tests" / "support" / "alert_rules.yml"
DOCS = ROOT / "docs"
AT = datetime.datetime(2027, 1, 1, tzinfo=datetime.UTC)


def _list_rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def _get_dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return found


def _list_queries() -> list[str]:
    return [target["expr"] for panel in _get_dashboard()["panels"] for target in panel["targets"]]


@pytest.fixture(name="samples")
def render(tmp_path: Path) -> dict[str, set[str]]:
    """The names of all samples that ``/metrics`` has where every kind of thing is configured, with their labels."""
    feeds = {"purchases": {"expected": {"by": "03:00"}}}
    configuration = write_configuration(tmp_path, {"feeds": feeds}).configuration
    board = Board()
    board.measures.note_key("production", AT)
    with Ledger.open(configuration.ledger.url, configuration.workspace) as ledger:
        text = render_metrics(get_figures(configuration, ledger), board, Pulse()).decode()
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def _list_uses(expression: str) -> Iterator[tuple[str, set[str]]]:
    """Yield each metric of ours in ``expression``, with the labels that it is chosen by."""
    for name, chosen in re.findall(rf"({PREFIX}\w+)(?:\{{([^}}]*)\}})?", expression):
        yield name, set(re.findall(r"(\w+)\s*[=!]~?", chosen))


@pytest.mark.parametrize("expression", [*(rule["expr"] for rule in _list_rules()), *_list_queries()])
def test_rules_and_dashboard_ask_for_what_is_there(samples: dict[str, set[str]], expression: str) -> None:
    """Every metric, and every label that it is chosen or grouped by, is one that the daemon renders."""
    # Prometheus itself adds these two to whatever it reads.
    added = {"instance", "job"}
    uses = list(_list_uses(expression))
    for name, labels in uses:
        assert name in samples
        assert labels - added <= samples[name]
    for grouped in re.findall(r"\bby \(([^)]*)\)", expression):
        known = set().union(added, *(samples[name] for name, _ in uses))
        assert {label.strip() for label in grouped.split(",")} <= known
    assert uses or expression.startswith("up{")


def test_prometheus_takes_the_rules() -> None:
    """The file is one that Prometheus loads."""
    _promtool("check", "rules", str(RULES))


def test_the_rules_tell_what_they_should(tmp_path: Path) -> None:
    """Of series as they come, alerts fire when they should, and say what to type."""
    cases = yaml.safe_load(CASES.read_text(encoding="utf-8"))
    path = tmp_path / "cases.yml"
    path.write_text(yaml.safe_dump({"rule_files": [str(RULES)], **cases}), encoding="utf-8")
    _promtool("test", "rules", str(path))


def test_prometheus_takes_every_query_of_the_dashboard(tmp_path: Path) -> None:
    """What Grafana would send, with its variables set, are expressions of Prometheus."""
    set_ = [query.replace("$__rate_interval", "5m").replace("$instance", ".*") for query in _list_queries()]
    assert not [query for query in set_ if "$" in query]
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(set_)]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}), encoding="utf-8")
    _promtool("check", "rules", str(path))


def _promtool(*arguments: str) -> None:
    found = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.parametrize("rule", _list_rules(), ids=lambda rule: rule["alert"])
def test_each_rule_says_what_is_wrong_what_to_type_and_where_to_read_on(rule: dict[str, Any]) -> None:
    """Summary, a command in the description, and a page with its heading; a severity to route by."""
    notes = rule["annotations"]
    address, _, anchor = notes["runbook_url"].partition("#")
    page = address.removeprefix("DOCS_URL/").removesuffix(".html")
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    headings = re.findall(r"^#+ +(.+)$", text, flags=re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert notes["summary"]
    assert "ype: " in notes["description"]
    assert not anchor or anchor in anchors
    assert rule["labels"]["severity"] in {"info", "warning", "critical"}


def test_the_dashboard_is_whole() -> None:
    """Panels do not overlap, each has a title, a unit and queries, and all ask the Prometheus that is chosen."""
    board = _get_dashboard()
    places: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        grid = panel["gridPos"]
        covered = {
            (x, y) for x in range(grid["x"], grid["x"] + grid["w"]) for y in range(grid["y"], grid["y"] + grid["h"])
        }
        assert not covered & places, panel["title"]
        assert max(x for x, _ in covered) < 24
        places |= covered
        assert panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    assert {variable["name"] for variable in board["templating"]["list"]} == {"datasource", "instance"}


def test_the_page_of_metrics_has_the_rules() -> None:
    """metrics.md lists each rule with its expression, and no other."""
    text = (DOCS / "reference" / "metrics.md").read_text(encoding="utf-8").partition("## Worth an alert")[2]
    told = re.findall(r"^\| `(\w+)` \| `(.+?)` \|", text, flags=re.MULTILINE)
    assert told == [(rule["alert"], rule["expr"]) for rule in _list_rules()]
