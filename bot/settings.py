"""The settings: secrets from the environment or a .env file, everything else from ``config/bot.toml``."""

from __future__ import annotations

import ipaddress
import os
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from bot.environment import DOTENV, read_dotenv
from bot.errors import SettingsError
from bot.sections import (
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
)
from bot.setting_faults import NO_SUCH, Fault, line_of

DOMAINS = {"feishu": "https://open.feishu.cn", "lark": "https://open.larksuite.com"}

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

DATABASE_URL_FIX = "set DATABASE_URL to postgresql://user:password@host/name, or leave it empty for SQLite"
DATA_DIR_FIX = "let the user that runs the bot write there, or set BOT_DATA_DIR to another folder"
PORT_FIX = "set {variable} to 1024 or above, and host of [server] to an address of this machine or 0.0.0.0"
PORT_TAKEN_FIX = "end that program, or set {variable} to another number"
"""What is done about a value that turns out to be of no use here, whoever finds it."""

_DATABASES = frozenset({"sqlite", "sqlite+pysqlite", "postgres", "postgresql", "postgresql+psycopg"})
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

    @field_validator("domain", mode="before")
    @classmethod
    def _origin(cls, given: str) -> str:
        origin = DOMAINS.get(given.strip().lower() or "feishu", given.strip().rstrip("/"))
        parts = urlsplit(origin)
        bare = not (parts.path or parts.query or parts.username)
        if parts.hostname and bare and (parts.scheme == "https" or _is_loopback(parts.scheme, parts.hostname)):
            return origin
        raise ValueError("must be feishu, lark, or an https origin such as https://open.feishu.cn")

    @field_validator("database_url")
    @classmethod
    def _database(cls, given: SecretStr) -> SecretStr:
        address = given.get_secret_value()
        if address and not _is_database(address):
            raise ValueError(f"is the address of neither a PostgreSQL nor an SQLite database; {DATABASE_URL_FIX}")
        if address.count("@") > 1 and not address.startswith("sqlite"):
            # A part of the password would be taken for the host, and told as that.
            raise ValueError("holds more than one @; write an @ that belongs to the name or the password as %40")
        return given

    @field_validator("data_dir")
    @classmethod
    def _of_home(cls, given: Path) -> Path:
        try:
            return given.expanduser()
        except RuntimeError:
            raise ValueError("must not begin with the home folder of somebody who has none") from None

    @property
    def url(self) -> str:
        """The database's URL."""
        given = self.database_url.get_secret_value()
        return given or f"sqlite:///{(self.data_dir / 'bot.db').absolute()}"


def missing_for_serving(settings: Settings, *, door: bool = True) -> list[Fault]:
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


def _is_database(address: str) -> bool:
    # Imported here, as the command line makes an image without a database.
    from sqlalchemy.engine import make_url  # noqa: PLC0415
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415

    try:
        return make_url(address).drivername in _DATABASES
    except (ArgumentError, ValueError):
        return False


def _is_loopback(scheme: str, host: str) -> bool:
    if scheme != "http":
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def config_folder(environment: Mapping[str, str] | None = None) -> Path:
    """The folder of configuration: ``BOT_CONFIG_DIR``, else the one in the wheel, else the one of the checkout."""
    given = (os.environ if environment is None else environment).get("BOT_CONFIG_DIR")
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
    kept, faults = _read_dotenv(dotenv)
    variables = {**kept, **environment}
    folder = config_folder(variables)
    values, unread = _read_file(folder / "bot.toml")
    faults += unread
    sources = {section: f"{section} in bot.toml" for section in values}
    for name, field in VARIABLES.items():
        if variables.get(name, "").strip():
            values[field] = variables[name].strip()
            sources[field] = name
    faults += _override(values, sources, variables)
    values["config_dir"] = folder
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        faults += [line_of(detail, model=Settings, sources=sources) for detail in error.errors()]
    if faults:
        raise SettingsError(faults)
    return settings


def _read_dotenv(path: Path | None) -> tuple[dict[str, str], list[str]]:
    try:
        return ({} if path is None else read_dotenv(path)), []
    except SettingsError as error:
        return {}, error.faults


def _read_file(path: Path) -> tuple[dict[str, Any], list[str]]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig")), []
    except FileNotFoundError:
        return {}, [f"{path}: there is no such file; BOT_CONFIG_DIR must name a folder with a bot.toml"]
    except OSError as error:
        return {}, [f"{path}: cannot be read: {error.strerror}"]
    except UnicodeDecodeError:
        return {}, [f"{path}: is not UTF-8; save it as UTF-8 text"]
    except tomllib.TOMLDecodeError as error:
        return {}, [f"{path.name}: {error}"]


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
        values[section] = {**values.get(section, {}), setting: variables[name]}
        sources[f"{section}.{setting}"] = name
    return faults


def _sections() -> dict[str, type[Section]]:
    return {
        name: field.annotation
        for name, field in Settings.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
    }
