"""What is made ready once in the process from which others are forked, as its last import; nobody else imports this."""

from __future__ import annotations

import gc

from bot.chat.parsing.wording import Rules
from bot.sandbox.http import shared_tls
from bot.settings import config_folder

shared_tls()
# The expressions are compiled once in a process.
Rules.load(config_folder())
# What a fork does not look through for garbage it does not have to copy either.
gc.collect()
gc.freeze()
