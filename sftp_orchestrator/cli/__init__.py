"""The command line: one module a command; prints, exits; no logic of its own."""
