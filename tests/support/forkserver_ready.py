"""What is made ready once in the process from which others are forked, as its last import; nobody else imports this."""

from __future__ import annotations

import gc

from bot.sandbox.http import shared_tls

shared_tls()
# What a fork does not look through for garbage it does not have to copy either.
gc.collect()
gc.freeze()
