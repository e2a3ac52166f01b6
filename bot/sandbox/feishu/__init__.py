"""The stand-in of the Feishu Open Platform: it checks, limits, refuses and pushes as the platform does."""
