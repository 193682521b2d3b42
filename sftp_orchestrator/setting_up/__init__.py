"""What ``init`` does: keys are made or taken in, host keys pinned, feeds proposed, and all is written at once."""
