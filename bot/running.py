"""Running the bot in production until it is told to leave: as a server, over a long connection, or as a worker."""

from __future__ import annotations

import errno
import logging
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bot import logs
from bot.app import Bot
from bot.errors import FeishuError, FeishuUnreachable, SettingsError
from bot.generation.store.database import Database, read_url
from bot.generation.store.schema import migrate
from bot.machine import keep_what_is_there, settle_in
from bot.settings import DATA_DIR_FIX, PORT_FIX, PORT_TAKEN_FIX, Settings, load, missing_for_serving
from bot.web.server import Server

if TYPE_CHECKING:
    from bot.feishu.long_connection import LongConnection

log = logging.getLogger(__name__)


def serve(*, work: bool) -> None:
    """Takes events and, with ``work``, does the work too, until SIGTERM.

    Raises:
        SettingsError: the settings cannot be used.
        StoreUnavailable: the database does not answer.
    """
    settings = _load()
    bot = Bot(settings)
    with _closed_if_refused(bot):
        _refuse_without_worker(bot, work=work)
        with _naming("PORT", settings.port, settings=settings):
            server = Server(bot.web, port=settings.port, bounds=settings.server)
    serve_until_told(bot, server, work=work)


def serve_until_told(bot: Bot, server: Server, *, work: bool) -> None:
    """Runs a wired bot behind its server until SIGTERM.

    Then what was read is answered, nothing new is taken up, and what was taken up is brought to its end: a paid call
    that is open is waited for up to its deadline. What waits stays in the database for the next process.
    """
    bot.start(work=work)
    keep_what_is_there()
    log.info("serve listening port=%d worker=%s", server.port, work)
    server.run()
    log.info("serve leaving")
    bot.close()


def connect(*, work: bool) -> None:
    """Takes events over the long connection and, with ``work``, does the work too, until SIGTERM.

    Raises:
        SettingsError: the settings cannot be used, or Feishu refuses them.
        StoreUnavailable: the database does not answer.
        FeishuUnreachable: there is no connection after as many attempts as Feishu allows.
    """
    # Imported here, as no other command needs the WebSocket.
    from bot.feishu.long_connection import LongConnection  # noqa: PLC0415

    stopped = told_to_leave()
    settings = _load(door=False)
    bot = Bot(settings)
    connection = LongConnection(
        domain=settings.domain,
        app_id=settings.app_id,
        app_secret=settings.app_secret.get_secret_value(),
        take=bot.pushes,
        on_end=stopped.set,
    )
    with _closed_if_refused(bot):
        _refuse_without_worker(bot, work=work)
        with _naming("PORT", settings.port, settings=settings):
            status = Server(bot.create_status(down=lambda: connection.down), port=settings.port, bounds=settings.server)
    try:
        connect_until(stopped, bot, connection, status, work=work)
    except FeishuUnreachable:
        raise
    except FeishuError as error:
        fix = (
            "compare them with the app's page, Credentials & Basic Info, and choose the persistent connection in "
            "Events & Callbacks"
        )
        refusal = f"Feishu refuses the long connection ({error}, code {error.code})"
        raise SettingsError([f"FEISHU_APP_ID, FEISHU_APP_SECRET, FEISHU_DOMAIN: {refusal}; {fix}"]) from error


def connect_until(
    stopped: threading.Event, bot: Bot, connection: LongConnection, status: Server, *, work: bool
) -> None:
    """Runs a wired bot behind its long connection until ``stopped``, then ends as :func:`serve_until_told` does.

    Raises:
        FeishuError: the platform has refused the connection for good.
    """
    status.start()
    bot.start(work=work)
    keep_what_is_there()
    connection.start()
    log.info("connect listening port=%d worker=%s", status.port, work)
    stopped.wait()
    log.info("connect leaving")
    try:
        connection.close()
    finally:
        status.close()
        bot.close()


def work() -> None:
    """Does the work of webs on other machines, until SIGTERM.

    Raises:
        SettingsError: the settings cannot be used.
        StoreUnavailable: the database does not answer.
    """
    stopped = told_to_leave()
    settings = _load(door=False)
    bot = Bot(settings)
    port = settings.server.worker_port
    with _closed_if_refused(bot):
        if bot.database.is_sqlite:
            raise SettingsError(["DATABASE_URL: worker needs a PostgreSQL; on SQLite, serve does the work itself"])
        with _naming("BOT_SERVER_WORKER_PORT", port, settings=settings):
            status = Server(bot.create_status(), port=port, bounds=settings.server) if port else None
    if status is not None:
        status.start()
    work_until(stopped, bot)
    if status is not None:
        status.close()


def told_to_leave() -> threading.Event:
    """An event that SIGTERM and SIGINT set from now on; only in the main thread."""
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    return stopped


def work_until(stopped: threading.Event, bot: Bot) -> None:
    """Runs the worker of a wired bot until ``stopped``, then ends as :func:`serve_until_told` does."""
    bot.start()
    log.info("worker started")
    stopped.wait()
    log.info("worker leaving")
    bot.close()


def bring_schema_up_to_date() -> bool:
    """Migrates the database; tells whether there was anything to do.

    Raises:
        SettingsError: the settings cannot be used.
        StoreUnavailable: the database does not answer.
    """
    settings = load()
    if not settings.database_url.get_secret_value():
        _make_data_folder(settings.data_dir)
    database = Database(read_url(settings.url))
    try:
        return migrate(database)
    finally:
        database.close()


@contextmanager
def _closed_if_refused(bot: Bot) -> Iterator[None]:
    """Closes a wired bot when one of its settings turns out to be of no use here."""
    try:
        yield
    except SettingsError:
        bot.close()
        raise


@contextmanager
def _naming(variable: str, port: int, *, settings: Settings) -> Iterator[None]:
    """Names the variable of a port that cannot be listened on."""
    place = f"{variable}: {port} on {settings.server.host}"
    try:
        yield
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            why, fix = "is taken by another program, or by a bot that runs already", PORT_TAKEN_FIX
        else:
            # A host that nobody knows is a ValueError of the server's.
            reason = error.strerror if isinstance(error, OSError) else str(error).rstrip(".")
            why, fix = f"cannot be used: {reason}", PORT_FIX
        raise SettingsError([f"{place} {why}; {fix.format(variable=variable)}"]) from error


def _make_data_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Permissions alone do not tell: a file system may be read-only.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        fault = f"BOT_DATA_DIR: {folder.absolute()} cannot be written: {error.strerror}; {DATA_DIR_FIX}"
        raise SettingsError([fault]) from error


def _refuse_without_worker(bot: Bot, *, work: bool) -> None:
    if not work and bot.database.is_sqlite:
        raise SettingsError(["DATABASE_URL: --no-worker needs a PostgreSQL that the workers share"])


def _load(*, door: bool = True) -> Settings:
    settle_in()
    settings = load()
    if missing := missing_for_serving(settings, door=door):
        raise SettingsError([str(fault) for fault in missing])
    _make_data_folder(settings.data_dir)
    logs.set_up(settings.log.level, form=settings.log.format)
    if not settings.api_key.get_secret_value():
        log.warning("settings ZHIPU_API_KEY is not set: every prompt will be answered with that")
    if door and not settings.encrypt_key.get_secret_value():
        log.warning("settings FEISHU_ENCRYPT_KEY is not set: only the Verification Token shows who sent an event")
    return settings
