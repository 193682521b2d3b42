"""What a producer drops becomes UTF-8 text with delimiters, which is then inspected: see ``unpack.unpacking``."""
