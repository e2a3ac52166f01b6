"""Taking in: from an authentic event to a stored request, its place in the line, or its refusal."""
