"""What several test modules start, make or look with: real servers, real keys, other implementations."""
