"""The durable work: the queue, the steps of a generation, and the workers that take them."""
