"""Speaking: the cards, texts and toasts that people read."""
