"""Rows and files that are not sent: which, why, and where they wait."""
