"""What is fuzzed: everything that reads what a producer, a person or a sender wrote."""

from __future__ import annotations

from tests.fuzz import documents, order, packed, rows

TARGETS = {
    "header": rows.HEADER,
    "splitter": rows.SPLITTER,
    "index": rows.INDEX,
    "sorting": order.SORTING,
    "screens": rows.SCREENS,
    "manifest": documents.MANIFEST,
    "sandbox-manifest": documents.SANDBOX_MANIFEST,
    "configuration": documents.CONFIGURATION,
    "unpack": packed.UNPACK,
}
