"""The receiver's rules as columns and rows are asked: a cheap screen for each, and the exact condition as SQL."""
