"""What a check results in, and the checks of the settings, this machine and what the bot's processes have stored."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr
from sqlalchemy.exc import SQLAlchemyError

from bot.addresses import DATABASE_URL_FIX
from bot.chat.messages import Messages
from bot.chat.parsing.wording import Rules
from bot.chat.styles import Styles
from bot.db.database import Database, read_url
from bot.db.key_value import get_value
from bot.db.migrate import HEAD, current_revision
from bot.db.timers import current_outages
from bot.db.usage import read_month
from bot.dotenv import SHIPPED, read_config, read_toml
from bot.errors import DatabaseUnavailable, GlmError, SettingsError
from bot.glm.api import KEY_PAGE, validate_key
from bot.service.event_handler import NAMESAKE
from bot.settings import (
    DATA_DIR_FIX,
    PORT_FIX,
    PORT_TAKEN_FIX,
    SECTIONS,
    VARIABLES,
    Settings,
    Team,
    required_settings_missing,
)
from bot.timings import BillingPeriods

MOUNTS = Path("/proc/self/mounts")
"""The mounted file systems on Linux; elsewhere there is no such file, and nothing is reported."""

LEAST_FREE = 200  # megabytes below which the database may soon fail to store what was paid for
SMALLEST_PLAN, NEAR_LIMIT = 10_000, 0.8
"""Calls per month of the smallest plan, and the share of them from which the check warns:
https://open.feishu.cn/document/platform-notices/platform-updates-/custom-app-api-call-limit"""

_MEGABYTE = 1024 * 1024
_LISTED = 5
_NETWORK_FILE_SYSTEMS = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "fuse.sshfs", "fuse.s3fs"}
_LOST_WITH_CONTAINER = {"overlay", "tmpfs", "ramfs"}
_EPHEMERAL = ("DYNO", "K_SERVICE", "VCAP_APPLICATION")
"""Variables of Heroku, Cloud Run and Cloud Foundry, whose disks are emptied at every restart."""
_MIGRATE = "run: python -m bot migrate (serve and worker do so too when they start)"

_ENCRYPTION = "事件与回调 Events & Callbacks → 加密策略 Encryption Strategy"
_EVENT_SECRETS = {
    "FEISHU_ENCRYPT_KEY": (
        "not set: events come unencrypted and unsigned, and only the Verification Token authenticates them",
        f"set an Encrypt Key in {_ENCRYPTION}, and here, and restart",
    ),
    "FEISHU_VERIFICATION_TOKEN": (
        "not set: only the Encrypt Key authenticates events",
        f"copy the Verification Token from {_ENCRYPTION}, and restart",
    ),
}
"""The detail and the fix where one of the two is not set."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check; neither text holds a secret.

    ``ok`` is ``None`` where the check was skipped or cannot tell. A good result may have a ``fix`` too, as advice.
    """

    name: str
    ok: bool | None
    detail: str
    fix: str | None = None


Outcome = tuple[bool | None, str] | tuple[bool | None, str, str | None]
"""A result without its name."""


def check_settings(settings: Settings, *, webhook: bool = True) -> Iterator[CheckResult]:
    """The variables, the sections of ``bot.toml``, who may use the bot, and the messages and styles.

    Without ``webhook`` events come over the long connection, and need no key and no token.
    """
    for name in VARIABLES:
        yield CheckResult(name, *_variable(settings, name, webhook=webhook))
    if settings.unquoted:
        detail = f"removed around the value of {', '.join(settings.unquoted)}"
        yield CheckResult("Quotation marks", ok=True, detail=detail, fix="write the values without them")
    yield CheckResult("Configuration", *_configuration(settings.config_dir))
    for name in SECTIONS:
        values = (f"{key} = {_plain(value)}" for key, value in getattr(settings, name))
        yield CheckResult(f"[{name}]", ok=True, detail=", ".join(values))
    yield CheckResult("Access", ok=True, detail=_access(settings.team))
    if admins := settings.team.admins:
        yield CheckResult("Admins", ok=True, detail=f"{len(admins)}: {', '.join(admins)}")
    else:
        fix = "send /id to the bot, and put your open_id into admins of [team] in bot.toml"
        yield CheckResult("Admins", None, "none: nobody may use the admin's commands", fix)
    yield CheckResult("Messages and styles", *_messages(settings.config_dir))


def _variable(settings: Settings, name: str, *, webhook: bool) -> Outcome:
    missing = required_settings_missing(settings, webhook=webhook)
    if name in missing:
        return (False, *missing[name])
    value = getattr(settings, VARIABLES[name])
    if not isinstance(value, SecretStr):
        return True, str(value)
    secret = value.get_secret_value()
    if name == "ZHIPU_API_KEY":
        return _api_key(secret)
    if name == "DATABASE_URL":
        return True, _database_address(secret)
    if name in _EVENT_SECRETS and not secret:
        return (None, *_EVENT_SECRETS[name]) if webhook and not missing else (None, "not set")
    return True, f"set, {len(secret)} characters" if secret else "not set"


def _database_address(given: str) -> str:
    """Where the database is, without the user, the password and the parameters, which may be secret."""
    if not given:
        return "not set: SQLite in the data folder"
    url = read_url(given)
    host = f" at {url.host}{f':{url.port}' if url.port else ''}" if url.host else ""
    return f"{url.get_backend_name()}, {url.database}{host}"


def _api_key(given: str) -> Outcome:
    try:
        key = validate_key(given)
    except GlmError as error:
        unset = "is not set; every prompt would be answered with that"
        detail = error.message.removeprefix("ZHIPU_API_KEY ").split(".")[0] if given else unset
        return False, detail, f"create or copy a key at {KEY_PAGE}"
    identifier, _, secret = key.partition(".")
    if identifier and secret:
        return True, f"set, {len(key)} characters, not tested: a call would be billed"
    return True, f"set, {len(key)} characters, without a dot", f"keys are usually ID.SECRET; compare at {KEY_PAGE}"


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else str(value)


def _configuration(folder: Path) -> Outcome:
    """Which files are in force, and how their keys differ from the shipped ones."""
    if folder == SHIPPED:
        return True, f"{folder / 'bot.toml'}, the shipped one"
    differences = []
    for shipped in sorted(SHIPPED.glob("*.toml")):
        with suppress(SettingsError):
            known, own = set(_keys(read_toml(shipped))), set(_keys(read_config(folder, shipped.name)))
            for what, keys in (("new", known - own), ("unknown, ignored", own - known)):
                if keys:
                    more = f", … ({len(keys)})" if len(keys) > _LISTED else ""
                    differences.append(f"{what} in {shipped.name}: {', '.join(sorted(keys)[:_LISTED])}{more}")
    if not differences:
        return True, f"{folder / 'bot.toml'}, with all keys of this version"
    fix = f"compare with {SHIPPED}; what is new has its default, and needs no entry"
    return True, f"{folder / 'bot.toml'}; {'; '.join(differences)}", fix


def _keys(table: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """The keys of the values in a file, as in ``limits.per_day``; lists of tables, such as styles, have none."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _keys(value, f"{path}{name}.")
        elif not (isinstance(value, list) and value and isinstance(value[0], dict)):
            yield path + name


def _access(team: Team) -> str:
    if not team.allowed_chats and not team.allowed_people:
        return "everybody in the app's availability range (可用范围): the allow-lists are empty"
    people = f"{len(team.allowed_people)} people" if team.allowed_people else "everybody"
    chats = f"{len(team.allowed_chats)} chats" if team.allowed_chats else "any chat"
    return f"{people} in {chats}, and the admins anywhere"


def _messages(folder: Path) -> Outcome:
    try:
        for texts in (Messages, Styles, Rules):
            texts.load(folder)
    except SettingsError as error:
        return False, str(error), f"correct that file in {folder}"
    return True, f"read from {folder}"


def check_database(settings: Settings, *, offline: bool = False) -> CheckResult:
    """Whether the database answers and has this program's schema; ``offline`` skips one on another machine.

    It creates and changes nothing.
    """
    url = read_url(settings.url)
    file, engine = Path(url.database or ""), url.get_backend_name()
    outcome: Outcome
    if engine == "sqlite" and not os.path.isfile(file):
        outcome = None, f"there is none yet at {file}", _MIGRATE
        try:
            _try_to_write(file.absolute().parent)
        except OSError as error:
            fix = f"{DATA_DIR_FIX}; or {DATABASE_URL_FIX}"
            outcome = False, f"cannot be created at {file}: {error.strerror}", fix
    elif engine != "sqlite" and offline:
        outcome = None, "skipped (--offline)"
    else:
        outcome = _schema(Database(url, connections=1), engine)
    return CheckResult("Database", *outcome)


def _try_to_write(folder: Path) -> Path:
    """Writes to the folder, or to the one in which it would be created; returns that folder."""
    # Permissions alone do not suffice: a file system may be read-only or full.
    existing = next(one for one in (folder, *folder.parents) if one.exists())
    with tempfile.TemporaryFile(dir=existing) as file:
        file.write(b"check")
    return existing


def _schema(database: Database, engine: str) -> Outcome:
    try:
        with closing(database):
            revision = current_revision(database)
    except SettingsError as error:
        detail, _, fix = error.faults[0].partition(": ")[2].partition("; ")
        return False, detail, fix
    except (DatabaseUnavailable, SQLAlchemyError) as error:
        reason = str(getattr(error, "orig", error)).strip().partition("\n")[0]
        fix = "check whether it runs, whether DATABASE_URL is right, and whether this machine may reach it"
        return False, f"does not answer: {reason}", fix
    if revision is None:
        return None, "answers, but has no tables yet", _MIGRATE
    if revision == HEAD:
        return True, f"{engine} answers; its schema {revision} is current"
    if revision < HEAD:
        return False, f"its schema is {revision}, this program's {HEAD}", _MIGRATE
    return True, f"its schema is {revision}, newer than this program's {HEAD}", "update this program"


def check_bot_findings(settings: Settings, *, readable: bool) -> Iterator[CheckResult]:
    """What the bot's processes have stored: this month's calls, calls that Feishu refuses, a bot of the same name.

    ``readable`` says whether the database answers and has its tables.
    """
    name = "Feishu calls this month"
    if not readable:
        yield CheckResult(name, None, "not known without the database")
        return
    with closing(Database(read_url(settings.url), connections=1)) as database:
        try:
            calls = _calls(database, settings)
            namesake = get_value(database, NAMESAKE.format(settings.app_id))
            outages = current_outages(database)
        except (DatabaseUnavailable, SQLAlchemyError):
            yield CheckResult(name, None, "not known: the database does not answer")
            return
    yield CheckResult(name, *calls)
    if namesake:
        detail = f"another identity was mentioned under the bot's name: {namesake}"
        fix = (
            "when people cannot reach the bot in groups: remove an older bot of that name from the group and add this "
            "one, and compare FEISHU_APP_ID with the app of that bot"
        )
        yield CheckResult("Mentions", ok=False, detail=detail, fix=fix)
    for outage in outages:
        yield CheckResult(f"Refused: {outage.call}", ok=False, detail=outage.reason, fix=outage.fix)


def _calls(database: Database, settings: Settings) -> Outcome:
    month = BillingPeriods(zone=settings.team.timezone, clock=time.time).month()
    with database.read() as connection:
        _, count = read_month(connection, month)
    detail = f"{count:,}, up to a minute ago"
    if count < NEAR_LIMIT * SMALLEST_PLAN:
        return True, detail
    return True, detail, f"the smallest plan allows {SMALLEST_PLAN:,}: see in Feishu's admin console what yours allows"


def data_folder(settings: Settings, *, mounts: Path = MOUNTS) -> Outcome:
    """Whether the data folder can be written, is on a disk of this machine, and has enough space."""
    folder = settings.data_dir.absolute()
    try:
        existing = _try_to_write(folder)
        free = shutil.disk_usage(existing).free // _MEGABYTE
    except OSError as error:
        return False, f"{folder} cannot be written: {error.strerror}", DATA_DIR_FIX
    kind, platform = _file_system(existing, mounts), next((one for one in _EPHEMERAL if one in os.environ), None)
    is_sqlite = settings.url.startswith("sqlite")
    if is_sqlite and kind in _NETWORK_FILE_SYSTEMS:
        fix = "set BOT_DATA_DIR to a local disk, or DATABASE_URL to a PostgreSQL"
        return False, f"{folder} is on {kind}, which breaks SQLite's locks", fix
    state = "can be written" if existing == folder else "does not exist yet and can be created"
    detail = f"{folder} {state}; {free:,} MB free"
    if free < LEAST_FREE:
        return False, detail, f"free at least {LEAST_FREE} MB"
    if is_sqlite and (platform or kind in _LOST_WITH_CONTAINER):
        where = f"{platform} is set" if platform else f"it is on {kind}"
        fix = "if this disk is emptied at a restart, mount a volume there, or set DATABASE_URL to a PostgreSQL"
        return True, f"{detail}; maybe not kept: {where}", fix
    kept = settings.originals.megabytes
    advice = f"images may grow to {kept:,} MB: free space, or lower megabytes of [originals]" if free < kept else None
    return True, detail, advice


def _file_system(folder: Path, mounts: Path) -> str | None:
    """The kind of the file system that holds ``folder``, ``None`` where it is not known."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    kinds = {fields[1]: fields[2] for fields in (line.split(" ") for line in lines)}
    real = folder.resolve()
    return next((kinds[str(one)] for one in (real, *real.parents) if str(one) in kinds), None)


def port(settings: Settings) -> Outcome:
    """Whether the port can be listened on, or a bot already does."""
    host, number = settings.server.host, settings.port
    place = f"{number} on {host}"
    if number == 0:
        return True, "0: any free one"
    try:
        socket.create_server((host, number), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            return False, f"{place} cannot be used: {error.strerror or error}", PORT_FIX.format(variable="PORT")
    else:
        return True, f"{place} is free"
    # The addresses that stand for every interface lead to this machine.
    if _is_bot(host or "127.0.0.1", number):
        return True, f"{place} is taken by a bot that runs already (/healthz says ok)"
    return False, f"{place} is taken by another program", PORT_TAKEN_FIX.format(variable="PORT")


def _is_bot(host: str, number: int) -> bool:
    url = httpx.URL(scheme="http", host=host, port=number, path="/healthz")
    with suppress(httpx.HTTPError):
        return httpx.get(url, timeout=2.0, trust_env=False).content == b"ok\n"
    return False
