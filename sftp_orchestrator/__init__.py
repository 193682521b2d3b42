"""Delivers CSV files to CleverTap's SFTP import: intake, prepare, deliver, each step noted in the ledger."""

__version__ = "0.1.0"
