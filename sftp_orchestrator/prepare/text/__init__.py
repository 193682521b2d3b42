"""A file as text: where records begin and end, read once, and the rows that a screen stopped put aside."""
