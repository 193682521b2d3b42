"""What is sent of a file: byte ranges with names, plain or encrypted."""
