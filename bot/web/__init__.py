"""HTTP: the webhook routes, health and metrics, and the server."""
