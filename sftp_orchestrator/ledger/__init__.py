"""Tables, states and legal moves: the only writer of state."""
