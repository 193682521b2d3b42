"""A file becomes a source that is ours: watch → settle → claim."""
