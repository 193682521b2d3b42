"""A file as a table: DuckDB over what the scan let pass."""
