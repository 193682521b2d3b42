"""What is done to every row of a file, and so is written in C: ``_native`` is built from the sources beside it."""
