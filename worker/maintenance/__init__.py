"""Work on the store that no task asks for. Every worker does it; each statement is safe beside the others'."""
