"""The typed model of the configuration, loading with line numbers, sample and JSON Schema from the model."""
