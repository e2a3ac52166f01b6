"""Understanding and speaking: events and text in, cards out, without network, clock or settings."""
