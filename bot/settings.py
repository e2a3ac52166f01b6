"""The settings: secrets from the environment or a .env file, everything else from ``config/bot.toml``."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from bot import addresses
from bot.addresses import DOMAINS
from bot.dotenv import DOTENV, read_dotenv, read_toml, unquote
from bot.errors import SettingsError
from bot.settings_errors import NO_SUCH, Fault, line_of
from bot.settings_schema import (
    BaseSettings,
    CardSettings,
    Images,
    LimitSettings,
    LogSettings,
    OriginalsSettings,
    Prices,
    RetentionSettings,
    Section,
    ServerSettings,
    SlotCounts,
    Team,
    WelcomeSettings,
    split_list,
)

VARIABLES = {
    "FEISHU_APP_ID": "app_id",
    "FEISHU_APP_SECRET": "app_secret",
    "FEISHU_ENCRYPT_KEY": "encrypt_key",
    "FEISHU_VERIFICATION_TOKEN": "verification_token",
    "FEISHU_DOMAIN": "domain",
    "ZHIPU_API_KEY": "api_key",
    "DATABASE_URL": "database_url",
    "BOT_DATA_DIR": "data_dir",
    "PORT": "port",
    "METRICS_TOKEN": "metrics_token",
}
"""The variables with a name of their own, and the setting each one fills."""

DATA_DIR_FIX = "let the user that runs the bot write there, or set BOT_DATA_DIR to another folder"
PORT_FIX = "set {variable} to 1024 or above, and host of [server] to an address of this machine or 0.0.0.0"
PORT_TAKEN_FIX = "end that program, or set {variable} to another number"
"""What is done about a value that turns out to be of no use here, whoever finds it."""

_CREDENTIALS = "copy it from the app's page, Credentials & Basic Info"


class Settings(BaseModel):
    """Everything that can be set; frozen, and without a secret in its ``repr``."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    app_id: str = ""
    app_secret: SecretStr = SecretStr("")
    encrypt_key: SecretStr = SecretStr("")
    verification_token: SecretStr = SecretStr("")
    domain: str = DOMAINS["feishu"]
    api_key: SecretStr = SecretStr("")
    database_url: SecretStr = SecretStr("")
    data_dir: Path = Path("data")
    port: Annotated[int, Field(ge=0, le=65_535)] = 8000
    metrics_token: SecretStr = SecretStr("")
    config_dir: Path
    unquoted: tuple[str, ...] = ()
    """The variables whose values came with quotation marks around them, which were removed."""

    team: Team = Team()
    images: Images = Images()
    slots: SlotCounts = SlotCounts()
    limits: LimitSettings = LimitSettings()
    prices: Prices = Prices()
    cards: CardSettings = CardSettings()
    welcome: WelcomeSettings = WelcomeSettings()
    originals: OriginalsSettings = OriginalsSettings()
    retention: RetentionSettings = RetentionSettings()
    base: BaseSettings = BaseSettings()
    server: ServerSettings = ServerSettings()
    log: LogSettings = LogSettings()

    @field_validator("app_id", "app_secret", "verification_token", "metrics_token", mode="before")
    @classmethod
    def _plain(cls, given: str) -> str:
        if re.fullmatch(r"[!-~]*", given):
            return given
        raise ValueError("must be printable ASCII characters without spaces; copy it again")

    _origin = field_validator("domain", mode="before")(addresses.parse_origin)
    _database = field_validator("database_url", mode="before")(addresses.parse_database_url)

    @field_validator("data_dir")
    @classmethod
    def _of_home(cls, given: Path) -> Path:
        if re.search(r"""^["'“”‘’]|["'“”‘’]$""", str(given)):
            raise ValueError("has a quotation mark at one end only; remove it")
        try:
            return given.expanduser()
        except RuntimeError:
            raise ValueError("must not begin with the home folder of somebody who has none") from None

    @property
    def url(self) -> str:
        """The database's URL."""
        given = self.database_url.get_secret_value()
        return given or f"sqlite:///{quote(str((self.data_dir / 'bot.db').absolute()))}"


def required_settings_missing(settings: Settings, *, door: bool = True) -> list[Fault]:
    """What ``serve``, ``connect`` and ``worker`` cannot start without; empty when nothing is missing.

    Args:
        settings: the settings.
        door: whether events are posted to this process: only then are a key or a token needed to know them by.
    """
    missing = []
    if not settings.app_id:
        missing.append(Fault("FEISHU_APP_ID", "is not set", _CREDENTIALS))
    if not settings.app_secret.get_secret_value():
        missing.append(Fault("FEISHU_APP_SECRET", "is not set", _CREDENTIALS))
    if door and not (settings.encrypt_key.get_secret_value() or settings.verification_token.get_secret_value()):
        detail = "neither it nor FEISHU_VERIFICATION_TOKEN is set, so anybody could send events"
        fix = "set both from the app's page, Events & Callbacks, Encryption Strategy"
        missing.append(Fault("FEISHU_ENCRYPT_KEY", detail, fix))
    return missing


def config_folder(environment: Mapping[str, str] | None = None) -> Path:
    """The folder of configuration: ``BOT_CONFIG_DIR``, else the one in the wheel, else the one of the checkout."""
    given = unquote((os.environ if environment is None else environment).get("BOT_CONFIG_DIR", ""))
    if given:
        with suppress(RuntimeError):  # a home folder of nobody is told as a folder that is not there
            return Path(given).expanduser()
        return Path(given)
    installed = Path(__file__).with_name("config")
    return installed if installed.is_dir() else Path(__file__).parent.parent / "config"


def load(environment: Mapping[str, str] | None = None, *, dotenv: Path | None = None) -> Settings:
    """Reads the settings: the environment over ``.env`` over ``config/bot.toml``.

    Args:
        environment: the variables; the process's own when ``None``.
        dotenv: a file of further variables; ``.env`` of the working folder when ``None`` and ``environment`` is too.

    Raises:
        SettingsError: with every fault, each naming its variable or its place in ``bot.toml``.
    """
    if environment is None:
        environment = os.environ
        dotenv = dotenv or Path(DOTENV)
    in_file, faults = _attempt(read_dotenv, dotenv) if dotenv else ({}, [])
    # An empty variable is as good as none: compose passes those on that are not set.
    given = {**in_file, **{name: value for name, value in environment.items() if unquote(value)}}
    variables = {name: value for name in given if (value := unquote(given[name]))}
    ours = [name for name in variables if name in VARIABLES or name.startswith("BOT_")]
    for name in [name for name in ours if not _is_text(variables[name])]:
        faults.append(f"{name}: is not UTF-8 text")
        del variables[name]
    folder = config_folder(variables)
    values, unread = _attempt(read_toml, folder / "bot.toml")
    faults += unread
    faults += [f"{name} in bot.toml: {NO_SUCH}" for name in values if name not in _sections()]
    values = {name: value for name, value in values.items() if name in _sections()}
    sources = {}
    for name, field in VARIABLES.items():
        if name in variables:
            values[field] = variables[name]
            sources[field] = name
    faults += _override(values, sources, variables)
    values["config_dir"] = folder
    values["unquoted"] = tuple(sorted(name for name in ours if variables.get(name) not in {None, given[name].strip()}))
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        faults += [line_of(detail, model=Settings, sources=sources) for detail in error.errors()]
    if faults:
        raise SettingsError(faults)
    return settings


def _is_text(value: str) -> bool:
    """Whether it is UTF-8: Python reads other bytes of a variable as surrogates, which nothing else takes."""
    return value.encode(errors="replace").decode() == value and "\0" not in value


def _attempt(read: Callable[[Path], dict[str, Any]], path: Path) -> tuple[dict[str, Any], list[str]]:
    try:
        return read(path), []
    except SettingsError as error:
        return {}, error.faults


def _override(values: dict[str, Any], sources: dict[str, str], variables: Mapping[str, str]) -> list[str]:
    faults = []
    sections = _sections()
    for name in sorted(variables):
        if not name.startswith("BOT_") or name in VARIABLES or name == "BOT_CONFIG_DIR":
            continue
        section, _, setting = name.removeprefix("BOT_").lower().partition("_")
        annotation = sections.get(section)
        if annotation is None or setting not in annotation.model_fields:
            faults.append(f"{name}: {NO_SUCH}")
            continue
        is_list = annotation.model_fields[setting].annotation == tuple[str, ...]
        value = split_list(variables[name]) if is_list else variables[name]
        below = values.get(section, {})
        # A list without entries is an empty value too. A section that is none is reported as such.
        if value and isinstance(below, dict):
            values[section] = {**below, setting: value}
            sources[f"{section}.{setting}"] = name
    return faults


def _sections() -> dict[str, type[Section]]:
    return {
        name: field.annotation
        for name, field in Settings.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
    }
