"""Parts become delivered, in order: connect → upload → verify → publish → archive."""
