"""What an entry that ``infer`` proposes has otherwise than the feed that takes such files already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sftp_orchestrator.config.model import Feed
from sftp_orchestrator.inference.samples import Sample
from sftp_orchestrator.progress import Board
from sftp_orchestrator.setting_up import feeds
from sftp_orchestrator.setting_up.differing import list_differences

COLUMNS = {
    "event_name": {"ct_name": "evtName"},
    "time_stamp": {"ct_name": "ts", "type": "INTEGER"},
    "user_id": {"ct_name": "identity"},
    "amount": {"type": "FLOAT"},
}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, []),
        ({"on_bad_rows": "quarantine", "files": ["other*.csv"]}, []),
        ({"rename": {"user_id": "who"}, "columns": {**COLUMNS, "who": {"ct_name": "identity"}}}, ["gone: user_id"]),
        ({"delimiter": ";", "encoding": "latin-1"}, ["encoding utf-8, not latin-1", 'delimiter ",", not ";"']),
        ({"type": "profile"}, ["type event, not profile"]),
        ({"columns": {}}, ["does not map: event_name, time_stamp, user_id, amount"]),
        ({"columns": {**COLUMNS, "amount": {"ct_name": "Amount"}}}, ["kind: amount FLOAT, not Amount STRING"]),
        ({"columns": {**COLUMNS, **{f"c{n}": {} for n in range(7)}}}, ["gone: c0, c1, c2, c3, c4 and 2 more"]),
    ],
)
def test_what_differs_is_named(tmp_path: Path, changed: dict[str, Any], said: list[str]) -> None:
    """Only what decides how a file is read and mapped; of many columns the first."""
    path = tmp_path / "purchases_1.csv"
    path.write_text("event_name,time_stamp,user_id,amount\nSold,1790000000,u1,2.5\n", encoding="utf-8")
    (proposal,) = feeds.propose_feeds([Sample(path=path, name=path.name)], Board())
    values = {"type": "event", "files": ["*.csv"], "columns": COLUMNS, **changed}
    found = list_differences(Feed.model_validate(values), proposal)
    assert len(found) == len(said)
    for told, words in zip(found, said, strict=True):
        assert told.endswith(words)
