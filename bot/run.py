"""Runs the bot in production until it is stopped: ``serve``, ``connect`` and ``worker``."""

from __future__ import annotations

import errno
import gc
import logging
import os
import tempfile
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from flask import Flask

from bot import logs
from bot.app import Bot, text_errors
from bot.background import StopEvent
from bot.db.database import Database, read_url
from bot.db.migrate import migrate
from bot.dotenv import DOTENV, read_dotenv
from bot.errors import FeishuError, FeishuUnreachable, GlmError, SettingsError
from bot.glm.api import validate_key
from bot.permissions import make_private_folder
from bot.settings import DATA_DIR_FIX, PORT_FIX, PORT_TAKEN_FIX, Settings, load, require_settings
from bot.web.server import Server

log = logs.get_logger(__name__)

# Objects allocated between two garbage collections. With the default of 700 requests in progress survive so many of
# them that every few seconds a full collection stops all threads for about 80 ms.
COLLECT_EVERY = 10_000
ROTATED = ("ZHIPU_API_KEY", "FEISHU_APP_SECRET")  # the variables that are read again at SIGHUP


def run(name: str, stopped: StopEvent, *, work: bool = True, greet: str = "") -> None:
    """Runs a command until ``stopped``; without ``work``, ``serve`` and ``connect`` only receive events.

    ``serve`` receives events at the webhook, ``connect`` over the long connection, and ``worker`` none. ``greet`` is
    the ``open_id`` of a person who is sent the welcome card, once.

    Raises:
        SettingsError: also if Feishu rejects the app.
        DatabaseUnavailable: the database does not answer.
        FeishuUnreachable: there is no long connection after as many attempts as Feishu allows.
    """
    settings = _load(name, work=work)
    server = None
    try:
        with closing(Bot(settings)) as bot:
            if name == "connect":
                bot.use_long_connection(on_end=stopped.set)
            if greet:
                bot.greet(greet)
            if name != "worker":
                server = _listen(bot, bot.web, settings=settings, variable="PORT", port=settings.port)
            elif port := settings.server.worker_port:
                app = bot.create_status_app()
                server = _listen(bot, app, settings=settings, variable="BOT_SERVER_WORKER_PORT", port=port)
            stopped.on_hangup = SecretRotation(bot.use_secrets).reread
            run_until(stopped, bot, server=server, work=work, name=name)
    except FeishuUnreachable:
        raise
    except FeishuError as error:
        refusal = f"Feishu refuses the long connection ({error}, code {error.code})"
        fix = "compare them with the app's page, Credentials & Basic Info, and choose the persistent connection in "
        line = f"FEISHU_APP_ID, FEISHU_APP_SECRET, FEISHU_DOMAIN: {refusal}; {fix}Events & Callbacks"
        raise SettingsError([line]) from error


def run_until(
    stopped: threading.Event, bot: Bot, *, server: Server | None = None, work: bool = True, name: str = "serve"
) -> None:
    """Runs a bot until ``stopped``; nothing starts if ``stopped`` is already set. The caller closes the bot.

    At shutdown requests that were read are answered; closing the bot then finishes the work in progress: a paid call
    is waited for up to its deadline. The queue stays in the database for the next process.
    """
    gc.set_threshold(COLLECT_EVERY)
    if not stopped.is_set():
        if server is not None:
            server.start()
        bot.start(work=work)
        log.info("started", command=name, port=server.port if server is not None else 0, worker=work)
        stopped.wait()
    log.info("shutting down", command=name)
    if server is not None:
        server.close()


@dataclass
class SecretRotation:
    """Rereads the secrets; ``use`` is called with settings that hold the new ones.

    What has changed in ``.env`` since it was last read takes precedence over the environment, which nobody can change
    from outside. Everything else stays as it was at the start.
    """

    use: Callable[[Settings], None]
    _seen: dict[str, str] = field(default_factory=lambda: read_dotenv(Path(DOTENV)), init=False)
    _changed: dict[str, str] = field(default_factory=dict, init=False)

    def reread(self) -> None:
        """Reads ``.env`` again; while its content is invalid, the secrets stay as they are."""
        try:
            given = read_dotenv(Path(DOTENV))
            new = {name: given[name] for name in ROTATED if given.get(name) and given[name] != self._seen.get(name)}
            settings = load({**os.environ, **self._changed, **new}, dotenv=Path(DOTENV))
            if "ZHIPU_API_KEY" in new:
                validate_key(settings.api_key.get_secret_value())
        except (SettingsError, GlmError) as error:
            log.error("secrets not reread", reason=error)  # noqa: TRY400 - the faults say where
            return
        self._seen, self._changed = given, {**self._changed, **new}
        for handler in logging.getLogger().handlers:
            handler.setFormatter(logs.formatter(settings.log.format, secrets=settings.secrets))
        self.use(settings)
        log.info("secrets reread", changed=",".join(new) or "none")


def run_migrations() -> bool:
    """Migrates the database; returns whether there was anything to do."""
    settings = load()
    logs.configure("warning")
    if not settings.database_url.get_secret_value():
        _make_data_folder(settings.data_dir)
    with closing(Database(read_url(settings.url))) as database:
        return migrate(database)


def _load(name: str, *, work: bool) -> Settings:
    """The settings of a process that runs; they must fit the command."""
    settings, webhook = load(check_folder=text_errors), name == "serve"
    require_settings(settings, webhook=webhook)
    if read_url(settings.url).get_backend_name() == "sqlite":
        if name == "worker":
            raise SettingsError(["DATABASE_URL: worker needs a PostgreSQL; on SQLite, serve does the work itself"])
        if not work:
            raise SettingsError(["DATABASE_URL: --no-worker needs a PostgreSQL that the workers share"])
    _make_data_folder(settings.data_dir)
    logs.configure(settings.log.level, form=settings.log.format, secrets=settings.secrets)
    if not settings.api_key.get_secret_value():
        log.warning("ZHIPU_API_KEY is not set: every prompt will be answered with that")
    if webhook and not settings.encrypt_key.get_secret_value():
        log.warning("FEISHU_ENCRYPT_KEY is not set: only the Verification Token authenticates events")
    return settings


def _listen(bot: Bot, app: Flask, *, settings: Settings, variable: str, port: int) -> Server:
    """Listens on a port; an error names its ``variable``."""
    try:
        return Server(app, port=port, bounds=settings.server, background=bot.background)
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            reason, fix = "is taken by another program, or by a bot that runs already", PORT_TAKEN_FIX
        else:
            # An unknown host name is a ValueError of waitress.
            detail = error.strerror if isinstance(error, OSError) else str(error).rstrip(".")
            reason, fix = f"cannot be used: {detail}", PORT_FIX
        line = f"{variable}: {port} on {settings.server.host} {reason}; {fix.format(variable=variable)}"
        raise SettingsError([line]) from error


def _make_data_folder(folder: Path) -> None:
    try:
        make_private_folder(folder)
        # Permissions alone do not suffice: a file system may be read-only.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        line = f"BOT_DATA_DIR: {folder.absolute()} cannot be written: {error.strerror}; {DATA_DIR_FIX}"
        raise SettingsError([line]) from error
