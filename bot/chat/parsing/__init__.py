"""Understanding: what an event means to the bot, and what the words of a message ask for."""
