"""What the check says of the settings, from what is set alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, SecretStr

from bot.chat.messages import Messages
from bot.chat.styles import Styles
from bot.cli.check_result import CheckResult
from bot.db.database import read_url
from bot.errors import MissingApiKey, SettingsError
from bot.glm.request import KEY_PAGE, validate_key
from bot.settings import VARIABLES, Settings, Team, required_settings_missing

_ENCRYPTION = "事件与回调 Events & Callbacks → 加密策略 Encryption Strategy"
_UNENCRYPTED = (
    "not set: events come unencrypted and unsigned, and only the Verification Token tells a true one from a forged one"
)
_UNTOKENED = "not set: only the Encrypt Key tells a true event from a forged one"
_SET_KEY = f"set an Encrypt Key in {_ENCRYPTION}, and here, and restart"
_SET_TOKEN = f"copy the Verification Token from {_ENCRYPTION}, and restart"
_EVENT_SECRETS = {
    "FEISHU_ENCRYPT_KEY": (_UNENCRYPTED, _SET_KEY),
    "FEISHU_VERIFICATION_TOKEN": (_UNTOKENED, _SET_TOKEN),
}
"""What is said where one of the two is not set."""


def about_settings(settings: Settings, *, webhook: bool = True) -> Iterator[CheckResult]:
    """A line for each variable and each section of ``bot.toml``, then who may use the bot, then the sentences.

    Args:
        settings: the settings.
        webhook: whether events are posted to the bot; over the long connection they need no key and no token.
    """
    missing = {fault.name: fault for fault in required_settings_missing(settings, webhook=webhook)}
    for name, field in VARIABLES.items():
        if fault := missing.get(name):
            yield CheckResult(name=name, ok=False, detail=fault.detail, fix=fault.fix)
        elif name == "ZHIPU_API_KEY":
            yield _key(settings.api_key.get_secret_value())
        elif name in _EVENT_SECRETS and not getattr(settings, field).get_secret_value():
            detail, fix = _EVENT_SECRETS[name] if webhook and not missing else ("not set", None)
            yield CheckResult(name=name, ok=None, detail=detail, fix=fix)
        else:
            yield CheckResult(name=name, ok=True, detail=_shown(name, getattr(settings, field)))
    if settings.unquoted:
        detail = f"removed around the value of {', '.join(settings.unquoted)}"
        yield CheckResult(name="Quotation marks", ok=True, detail=detail, fix="write the values without them")
    for name in type(settings).model_fields:
        section = getattr(settings, name)
        if isinstance(section, BaseModel):
            yield CheckResult(name=f"[{name}]", ok=True, detail=_section(section))
    yield from _access(settings.team)
    yield _sentences(settings)


def _shown(name: str, value: Any) -> str:
    if name == "DATABASE_URL":
        return _address(value.get_secret_value())
    if isinstance(value, SecretStr):
        length = len(value.get_secret_value())
        return f"set, {length} characters" if length else "not set"
    return str(value)


def _address(given: str) -> str:
    """Where the database is, without what may be secret: the user, the password, and the parameters."""
    if not given:
        return "not set: SQLite in the data folder"
    url = read_url(given)
    port = f":{url.port}" if url.port else ""
    host = f" at {url.host}{port}" if url.host else ""
    return f"{url.get_backend_name()}, {url.database}{host}"


def _key(given: str) -> CheckResult:
    name = "ZHIPU_API_KEY"
    try:
        key = validate_key(given)
    except MissingApiKey as error:
        unset = "is not set; every prompt would be answered with that"
        detail = error.message.removeprefix(f"{name} ").split(".")[0] if given else unset
        return CheckResult(name=name, ok=False, detail=detail, fix=f"make or copy a key at {KEY_PAGE}")
    identifier, _, secret = key.partition(".")
    usual = bool(identifier and secret)
    detail = f"set, {len(key)} characters" + (", not tried: a call would be billed" if usual else ", without a dot")
    return CheckResult(
        name=name, ok=True, detail=detail, fix=None if usual else f"keys are usually ID.SECRET; compare at {KEY_PAGE}"
    )


def _section(section: BaseModel) -> str:
    values = ((name, getattr(section, name)) for name in type(section).model_fields)
    return ", ".join(f"{name} = {_plain(value)}" for name, value in values)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, SecretStr):
        return "set" if value.get_secret_value() else "not set"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(str, value))}]"
    return str(value)


def _access(team: Team) -> Iterator[CheckResult]:
    if team.allowed_chats or team.allowed_people:
        people = f"{len(team.allowed_people)} people" if team.allowed_people else "everybody"
        chats = f"{len(team.allowed_chats)} chats" if team.allowed_chats else "any chat"
        yield CheckResult(name="Access", ok=True, detail=f"{people} in {chats}, and the admins anywhere")
    else:
        detail = "everybody whom the app's availability range (可用范围) lets reach it: the allow-lists are empty"
        yield CheckResult(name="Access", ok=True, detail=detail)
    if team.admins:
        yield CheckResult(name="Admins", ok=True, detail=f"{len(team.admins)}: {', '.join(team.admins)}")
    else:
        fix = "send /id to the bot, and put your open_id into admins of [team] in bot.toml"
        yield CheckResult(name="Admins", ok=None, detail="none: nobody may use the admin's commands", fix=fix)


def _sentences(settings: Settings) -> CheckResult:
    name = "Sentences and styles"
    try:
        Messages.load(settings.config_dir)
        Styles.load(settings.config_dir)
    except SettingsError as error:
        return CheckResult(name=name, ok=False, detail=str(error), fix=f"mend that file in {settings.config_dir}")
    return CheckResult(name=name, ok=True, detail=f"read from {settings.config_dir}")
