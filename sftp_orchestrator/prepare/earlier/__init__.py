"""What was sent earlier, and what follows from it: the same content, the same rows, the types of properties."""
