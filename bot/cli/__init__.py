"""The commands that a person runs beside the bot."""
