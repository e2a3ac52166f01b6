"""The bot as ``serve`` runs it, except that its calls to the GLM platform are led to a stand-in on loopback."""

from __future__ import annotations

import os

from bot import logs
from bot.app import Bot
from bot.run import run_until
from bot.sandbox.glm.stand_in import API_HOST, IMAGE_HOST, LoopbackTransport
from bot.settings import load
from bot.stopping import stop_event
from bot.web.server import Server

GLM = "BENCHMARK_GLM"
"""The variable that holds the origin of the GLM stand-in."""


def main() -> int:
    """Serves until SIGTERM; tells its port on the first line of the standard output."""
    stopped = stop_event()
    settings = load()
    logs.configure(settings.log.level, form=settings.log.format)
    origin = os.environ[GLM]
    routes = {API_HOST: origin, IMAGE_HOST: origin + "/images"}
    bot = Bot(settings, glm=LoopbackTransport(routes), images=LoopbackTransport(routes))
    server = Server(bot.web, port=settings.port, bounds=settings.server)
    print(server.port, flush=True)  # noqa: T201 - for the process that started it
    run_until(stopped, bot, server=server)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
