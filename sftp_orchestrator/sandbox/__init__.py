"""A receiver that behaves as CleverTap's import documents it: for the demo, rehearsals and tests."""
