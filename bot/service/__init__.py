"""From an authentic event to a stored request, its place in the queue, or the error that rejects it."""
