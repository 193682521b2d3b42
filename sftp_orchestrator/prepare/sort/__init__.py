"""A file put into the order of time, in bounded memory."""
