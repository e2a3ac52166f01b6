"""Showing: the line, and what the chat shows of a request."""
