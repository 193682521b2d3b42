"""A source becomes parts that are ready: inspect → split → encrypt → manifest."""
