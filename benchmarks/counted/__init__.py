"""What a request costs, counted and not timed: instructions and system calls of the engine."""
