"""The bot of the soak: in a process of its own, as in production but for its patience and its clean-ups."""

from __future__ import annotations

import threading
import time
from multiprocessing.connection import Connection

from bot import logs
from bot.app import Bot, Overrides
from bot.db.retention import Retention
from bot.run import run_until
from bot.sandbox.glm.stand_in import loopback
from bot.sandbox.start import Draft
from bot.settings import Settings, load
from bot.stopping import stop_event
from bot.web.server import Server
from bot.worker.image_cache import ImageCache
from tests.support.world import Impatient

PATIENCE = 3.0
"""Seconds after which the bot gives up a call here; the platform is given minutes."""


def serve(plan: Draft, port: Connection) -> None:
    """Serves until SIGTERM; sends its port through the pipe."""
    stopped = stop_event()
    logs.set_up("critical")
    settings = load(plan.variables)
    glm = loopback(str(plan.glm))
    outside = Overrides(
        glm=Impatient(glm, seconds=PATIENCE),
        pictures=Impatient(glm, seconds=PATIENCE),
        feishu=Impatient(seconds=PATIENCE),
        pace=plan.pace,
    )
    bot = Bot(settings, outside=outside)
    server = Server(bot.web, port=settings.port, bounds=settings.server)
    bot.learn_identity()
    port.send(server.port)
    threading.Thread(target=_tidy, args=(bot, settings), daemon=True).start()
    run_until(stopped, bot, server=server)


def _tidy(bot: Bot, settings: Settings) -> None:
    """Looks every second for what the bot looks for every hour: what is old enough to go."""
    originals = ImageCache(
        settings.data_dir / "originals",
        days=settings.originals.days,
        largest=settings.originals.megabytes * 1_000_000,
        clock=time.time,
    )
    never = threading.Event()
    retention = Retention(bot.database, days=settings.retention.days, stopping=never)
    while not never.wait(1.0):
        retention.clean()
        originals.tidy()
