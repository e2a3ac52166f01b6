"""Making: the worker and the durable steps of one generation."""
