"""One module a revision; their numbers only grow."""
