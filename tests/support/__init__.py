"""What several tests share: databases, the whole bot with its stand-ins, and ways to wait."""
