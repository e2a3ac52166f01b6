"""The settings: secrets from environment variables or ``.env``, everything else from ``config/bot.toml``."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    create_model,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from bot import addresses, sizes
from bot.addresses import DOMAINS
from bot.dotenv import DOTENV, SHIPPED, read_dotenv, read_toml, unquote
from bot.errors import GlmError, SettingsError
from bot.options import DEFAULTS, OPTIONS, Context, Option, Options, check_each

DATA_DIR_FIX = "let the user that runs the bot write there, or set BOT_DATA_DIR to another folder"
PORT_FIX = "set {variable} to 1024 or above, and host of [server] to an address of this machine or 0.0.0.0"
PORT_TAKEN_FIX = "stop that program, or set {variable} to another number"

_UNKNOWN = "there is no such setting; config/bot.toml lists them all"
_SEPARATORS = re.compile(r"[,;，；、\s]+")
_NUMBER_ERRORS = ("int_", "float_", "finite_number", "greater_than", "less_than")
_BOUNDS = (("from", "ge"), ("to", "le"))


def _matching(pattern: str, otherwise: str) -> BeforeValidator:
    """Refuses text of another form; ``otherwise`` says why."""

    def check(given: Any) -> Any:
        if isinstance(given, str) and not re.fullmatch(pattern, given):
            raise ValueError(otherwise)
        return given

    return BeforeValidator(check)


Slots = Annotated[int, Field(ge=1, le=100)]
Price = Annotated[float, Field(ge=0, le=100)]
Ascii = _matching(r"[!-~]*", "must be printable ASCII characters without spaces; copy it again")
Token = Annotated[str, _matching(r"[A-Za-z0-9_-]*", "must be letters and digits; copy it out of the table's address")]


def split_list(given: str) -> list[str]:
    """The entries of a list in one string: separated by commas, semicolons or spaces, or in JSON."""
    inside = given[1:-1] if given.startswith("[") and given.endswith("]") else given
    return [entry for part in _SEPARATORS.split(inside) if (entry := unquote(part))]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def _no_boolean_number(cls, given: Any, info: ValidationInfo) -> Any:
        # Otherwise true would be the number 1.
        if isinstance(given, bool) and cls.model_fields[str(info.field_name)].annotation in {int, float}:
            raise PydanticCustomError("int_type", "must be a number")
        return given


class Team(Section):
    """Who may use the bot, and the time zone of all times that it shows."""

    timezone: ZoneInfo = ZoneInfo("Asia/Shanghai")
    admins: tuple[str, ...] = ()
    admin_chat: Annotated[str, _matching(r"(oc_[A-Za-z0-9_-]+)?", "is not the chat_id (oc_…) that /id shows")] = ""
    allowed_chats: tuple[str, ...] = ()
    allowed_people: tuple[str, ...] = ()

    @field_validator("admins", "allowed_chats", "allowed_people", mode="before")
    @classmethod
    def _ids(cls, given: Any, info: ValidationInfo) -> Any:
        ids = split_list(given) if isinstance(given, str) else given
        prefix, kind = ("oc_", "chat_id") if info.field_name == "allowed_chats" else ("ou_", "open_id")
        ids = [str(one).strip() for one in ids] if isinstance(ids, list | tuple) else [str(ids)]
        if wrong := [one for one in ids if not re.fullmatch(rf"{prefix}[A-Za-z0-9_-]+", one)]:
            listed = ", ".join(f"{one[:40]!r}" for one in wrong[:5])
            raise ValueError(f"{listed} is not the {kind} ({prefix}…) that /id shows")
        return ids

    @field_validator("timezone", mode="before")
    @classmethod
    def _known_zone(cls, given: Any) -> ZoneInfo:
        try:
            return ZoneInfo(given)
        except (KeyError, ValueError, OSError, TypeError):
            raise ValueError("is not an IANA time zone such as Asia/Shanghai") from None


def _annotation(name: str, option: Option) -> Any:
    if option.choices and option.explain is None:
        return Literal.__getitem__(option.choices)
    return Annotated[option.kind if DEFAULTS[name] is not None else option.kind | None, Field(validate_default=True)]


_FIELDS: Any = {name: (_annotation(name, option), DEFAULTS[name]) for name, option in OPTIONS.items() if option.setting}
_IMAGE_DEFAULTS: Any = create_model("_ImageDefaults", __base__=Section, **_FIELDS)


class Images(_IMAGE_DEFAULTS):  # type: ignore[misc]  # a field for each option with a default in the settings
    """The options of a prompt that names none."""

    watermark_disclaimer_signed: bool = False

    @field_validator(*_FIELDS)
    @classmethod
    def _allowed(cls, given: Any, info: ValidationInfo) -> Any:
        option = OPTIONS[str(info.field_name)]
        try:
            option.check(given, Context(resolved={**DEFAULTS, **info.data}))
        except GlmError as error:
            # An invalid model has its own error.
            values = {"reason": str(error), "with": list(option.depends_on)}
            raise PydanticCustomError("option", "{reason}", values) from None
        return given

    @property
    def defaults(self) -> Options:
        return Options(**dict(check_each({name: getattr(self, name) for name in _FIELDS})))


class SlotCounts(Section):
    """How many paid calls may run at once."""

    glm_image: Slots = 1
    cogview: Slots = 5

    def by_model(self) -> dict[str, int]:
        return {model: self.glm_image if model == "glm-image" else self.cogview for model in sizes.MODELS}


class LimitSettings(Section):
    """Quotas and budget; 0 means no limit."""

    per_minute: Annotated[int, Field(ge=0, le=1_000)] = 10
    pending: Annotated[int, Field(ge=0, le=1_000)] = 5
    waiting: Annotated[int, Field(ge=0, le=100_000)] = 100
    per_day: Annotated[int, Field(ge=0, le=100_000)] = 20
    images_per_month: Annotated[int, Field(ge=0, le=10_000_000)] = 1000
    yuan_per_month: Annotated[float, Field(ge=0, le=1_000_000)] = 100.0
    feishu_calls_per_month: Annotated[int, Field(ge=0, le=100_000_000)] = 10_000


class Budget(Section):
    """What a person or a chat may have in a month; 0 means no limit."""

    who: Annotated[
        str, _matching(r"(ou|oc)_[A-Za-z0-9_-]+", "must be the open_id (ou_…) or chat_id (oc_…) that /id shows")
    ]
    images: Annotated[int, Field(ge=0, le=10_000_000)] = 0
    yuan: Annotated[float, Field(ge=0, le=1_000_000)] = 0.0

    @model_validator(mode="after")
    def _limited(self) -> Self:
        if not (self.images or self.yuan):
            raise ValueError("must limit images or yuan")
        return self


class Prices(Section):
    """Yuan per image."""

    glm_image: Price = 0.1
    cogview_4: Price = 0.06
    cogview_3_flash: Price = 0.0

    def by_model(self) -> dict[str, float]:
        cogview_4 = dict.fromkeys(("cogview-4", "cogview-4-250304"), self.cogview_4)
        return {"glm-image": self.glm_image, **cogview_4, "cogview-3-flash": self.cogview_3_flash}


class ChatSettings(Section):
    confirm: Literal["ambiguous", "always", "never"] = "ambiguous"


class CardSettings(Section):
    buttons: bool = True
    notify_after_seconds: Annotated[int, Field(ge=0, le=86_400)] = 60


class WelcomeSettings(Section):
    """The kinds of onboarding events that are answered."""

    entered: bool = True
    added: bool = True
    menu: bool = True


class OriginalsSettings(Section):
    days: Annotated[int, Field(ge=0, le=3650)] = 30
    megabytes: Annotated[int, Field(ge=0, le=1_000_000)] = 2048


class RetentionSettings(Section):
    days: Annotated[int, Field(ge=1, le=3650)] = 40


class BitableSettings(Section):
    """The Feishu Base table to which generations are exported; without ids there is none."""

    app_token: Token = ""
    table_id: Annotated[Token, Field(validate_default=True)] = ""
    minutes: Annotated[float, Field(ge=0, le=1440)] = 15.0
    prompts: bool = False

    @field_validator("table_id")
    @classmethod
    def _both(cls, given: str, info: ValidationInfo) -> str:
        if bool(given) != bool(info.data.get("app_token", given)):
            reason = "app_token and table_id belong together: set both, or neither"
            raise PydanticCustomError("both", "{reason}", {"reason": reason, "with": ["app_token"]})
        return given


class ServerSettings(Section):
    host: str = "0.0.0.0"  # noqa: S104 - Feishu has to reach it; behind a proxy the admin narrows it
    threads: Annotated[int, Field(ge=1, le=64)] = 32
    connections: Annotated[int, Field(ge=10, le=10_000)] = 1000
    idle_seconds: Annotated[int, Field(ge=1, le=300)] = 30
    worker_port: Annotated[int, Field(ge=0, le=65_535)] = 0

    @field_validator("host")
    @classmethod
    def _address(cls, given: str) -> str:
        try:
            ipaddress.ip_address(given)
        except ValueError:
            if not re.fullmatch(r"([A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*)?", given):
                raise ValueError("must be an IP address such as 127.0.0.1 or ::, or a host name") from None
        return given


class NetworkSettings(Section):
    proxy: str = ""
    ca_file: str = ""

    _proxy = field_validator("proxy")(addresses.parse_proxy)
    _ca_file = field_validator("ca_file")(addresses.parse_ca_file)


class LogSettings(Section):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"
    prompts: bool = False


class Settings(BaseModel):
    """All settings; frozen, and without a secret in the ``repr``. :func:`load` reads them."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    app_id: Annotated[str, Ascii, Field(validation_alias="FEISHU_APP_ID")] = ""
    app_secret: Annotated[SecretStr, Ascii, Field(validation_alias="FEISHU_APP_SECRET")] = SecretStr("")
    encrypt_key: Annotated[SecretStr, Field(validation_alias="FEISHU_ENCRYPT_KEY")] = SecretStr("")
    verification_token: Annotated[SecretStr, Ascii, Field(validation_alias="FEISHU_VERIFICATION_TOKEN")] = SecretStr("")
    domain: Annotated[str, Field(validation_alias="FEISHU_DOMAIN")] = DOMAINS["feishu"]
    api_key: Annotated[SecretStr, Field(validation_alias="ZHIPU_API_KEY")] = SecretStr("")
    database_url: Annotated[SecretStr, Field(validation_alias="DATABASE_URL")] = SecretStr("")
    data_dir: Annotated[Path, Field(validation_alias="BOT_DATA_DIR")] = Path("data")
    port: Annotated[int, Field(ge=0, le=65_535, validation_alias="PORT")] = 8000
    metrics_token: Annotated[SecretStr, Ascii, Field(validation_alias="METRICS_TOKEN")] = SecretStr("")
    config_dir: Path
    unquoted: tuple[str, ...] = ()
    """The variables whose values came with quotation marks around them, which were removed."""

    team: Team = Team()
    images: Images = Images()
    slots: SlotCounts = SlotCounts()
    limits: LimitSettings = LimitSettings()
    budgets: tuple[Budget, ...] = ()
    prices: Prices = Prices()
    chat: ChatSettings = ChatSettings()
    cards: CardSettings = CardSettings()
    welcome: WelcomeSettings = WelcomeSettings()
    originals: OriginalsSettings = OriginalsSettings()
    retention: RetentionSettings = RetentionSettings()
    base: BitableSettings = BitableSettings()
    network: NetworkSettings = NetworkSettings()
    server: ServerSettings = ServerSettings()
    log: LogSettings = LogSettings()

    _origin = field_validator("domain", mode="before")(addresses.parse_origin)
    _database = field_validator("database_url", mode="before")(addresses.parse_database_url)

    @field_validator("data_dir")
    @classmethod
    def _expanded(cls, given: Path) -> Path:
        if re.search(r"""^["'“”‘’]|["'“”‘’]$""", str(given)):
            raise ValueError("has a quotation mark at one end only; remove it")
        try:
            return given.expanduser()
        except RuntimeError:
            raise ValueError("must not begin with the home folder of somebody who has none") from None

    @field_validator("budgets")
    @classmethod
    def _once(cls, given: tuple[Budget, ...]) -> tuple[Budget, ...]:
        if len({one.who for one in given}) < len(given):
            raise ValueError("must name each person and chat once")
        return given

    @property
    def feishu_access(self) -> dict[str, Any]:
        """The arguments with which every client of Feishu is created."""
        return {
            "domain": self.domain,
            "app_id": self.app_id,
            "app_secret": self.app_secret.get_secret_value(),
            "proxy": self.network.proxy,
            "ca_file": self.network.ca_file,
        }

    @property
    def url(self) -> str:
        given = self.database_url.get_secret_value()
        return given or f"sqlite:///{quote(str((self.data_dir / 'bot.db').absolute()))}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values that must never be logged."""
        values = (getattr(self, name) for name in type(self).model_fields)
        secrets = [value.get_secret_value() for value in values if isinstance(value, SecretStr)]
        return *secrets, urlsplit(self.network.proxy).password or ""


VARIABLES = {
    str(field.validation_alias): name for name, field in Settings.model_fields.items() if field.validation_alias
}
"""The variables with a name of their own, and the setting of each."""

SECTIONS: dict[str, type[Section]] = {
    name: field.annotation
    for name, field in Settings.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
}

FIELDS: dict[str, tuple[str, str, FieldInfo]] = {
    **{variable: ("", variable, Settings.model_fields[name]) for variable, name in VARIABLES.items()},
    **{
        f"BOT_{section}_{name}".upper(): (section, name, field)
        for section, model in SECTIONS.items()
        for name, field in model.model_fields.items()
    },
}
"""What each variable sets: the section, empty for none, the name in it, and its field."""


def require_settings(settings: Settings, *, webhook: bool = True) -> None:
    if missing := required_settings_missing(settings, webhook=webhook):
        raise SettingsError([f"{name}: {detail}; {fix}" for name, (detail, fix) in missing.items()])


def required_settings_missing(settings: Settings, *, webhook: bool = True) -> dict[str, tuple[str, str]]:
    """What the bot cannot start without, each with the detail and the fix; a ``webhook`` has to authenticate events."""
    credentials = {"FEISHU_APP_ID": settings.app_id, "FEISHU_APP_SECRET": settings.app_secret.get_secret_value()}
    fix = "copy it from the app's page, Credentials & Basic Info"
    missing = {name: ("is not set", fix) for name, value in credentials.items() if not value}
    if webhook and not (settings.encrypt_key.get_secret_value() or settings.verification_token.get_secret_value()):
        detail = "neither it nor FEISHU_VERIFICATION_TOKEN is set, so anybody could send events"
        missing["FEISHU_ENCRYPT_KEY"] = detail, "set both from the app's page, Events & Callbacks, Encryption Strategy"
    return missing


def config_folder(environment: Mapping[str, str] | None = None) -> Path:
    """The folder of the configuration in force: ``BOT_CONFIG_DIR``, else the shipped one."""
    given = unquote((os.environ if environment is None else environment).get("BOT_CONFIG_DIR", ""))
    # Path's own method raises for an unknown home folder, which is reported as a missing one.
    return Path(os.path.expanduser(given)) if given else SHIPPED  # noqa: PTH111


def load(
    environment: Mapping[str, str] | None = None,
    *,
    dotenv: Path | None = None,
    check_folder: Callable[[Path], Sequence[str]] = lambda _: (),
) -> Settings:
    """Reads the settings: the environment over ``.env`` over ``config/bot.toml``.

    Without ``environment`` the variables are those of the process and of ``.env`` in the working folder. ``dotenv`` is
    a file of further variables; ``check_folder`` gives the errors of the other files in the folder of the
    configuration. ``SettingsError`` has all errors, each naming its variable or its place in ``bot.toml``.
    """
    if environment is None:
        environment, dotenv = os.environ, dotenv or Path(DOTENV)
    errors: list[str] = []
    variables, unquoted = _read_variables(environment, dotenv, errors)
    folder = config_folder(variables)
    written: dict[str, Any] = {}
    try:
        written = read_toml(folder / "bot.toml")
    except SettingsError as error:
        errors += error.faults
    in_file = (*SECTIONS, "budgets")
    errors += [f"{name} in bot.toml: {_UNKNOWN}" for name in written if name not in in_file]
    values: dict[str, Any] = {name: written[name] for name in in_file if name in written}
    errors += [f"{name}: {_UNKNOWN}" for name in sorted(variables.keys() - FIELDS.keys() - {"BOT_CONFIG_DIR"})]
    known: dict[str, str] = {}
    for name in sorted(variables.keys() & FIELDS.keys()):
        section, setting, field = FIELDS[name]
        # A list without an entry counts as unset: an empty allow-list would allow everyone.
        if field.annotation != tuple[str, ...] or split_list(variables[name]):
            known[name] = variables[name]
            table = values.setdefault(section, {}) if section else values
            # Anything else than a table is reported as that.
            if isinstance(table, dict):
                table[setting] = variables[name]
    try:
        settings = Settings.model_validate({**values, "config_dir": folder, "unquoted": unquoted})
    except ValidationError as error:
        errors += [_error_line(detail, known) for detail in error.errors()]
    errors += check_folder(folder)
    if errors:
        raise SettingsError(errors)
    return settings


def _read_variables(
    environment: Mapping[str, str], dotenv: Path | None, errors: list[str]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """The bot's variables without quotation marks, and the names of those that had some."""
    given: dict[str, str] = {}
    try:
        given |= read_dotenv(dotenv) if dotenv else {}
    except SettingsError as error:
        errors += error.faults
    # An empty variable counts as unset: compose passes on those that nobody has set.
    given |= {name: value for name, value in environment.items() if unquote(value)}
    ours = {name: raw for name, raw in given.items() if name in VARIABLES or name.startswith("BOT_")}
    variables = {name: value for name, raw in ours.items() if (value := unquote(raw))}
    # Python reads bytes that are not UTF-8 as surrogates.
    for name in [name for name, value in variables.items() if re.search("[\ud800-\udfff\0]", value)]:
        errors.append(f"{name}: is not UTF-8 text")
        del variables[name]
    return variables, tuple(sorted(name for name, value in variables.items() if value != given[name].strip()))


def _error_line(error: Mapping[str, Any], variables: Mapping[str, str]) -> str:
    """The line for an error that pydantic found, with the place where the value was set."""
    place = [str(part) for part in error["loc"]]
    # Values that do not go together are reported with a variable that took part in it, if there is one.
    involved = [place, *([*place[:-1], name] for name in error.get("ctx", {}).get("with", ()))]
    names = [path[0] if path[0] in VARIABLES else "_".join(("BOT", *path)).upper() for path in involved]
    source = next((name for name in names if name in variables), f"{'.'.join(place)} in bot.toml")
    return f"{source}: {_reason(error, FIELDS[names[0]][-1] if names[0] in FIELDS else None)}"


def _reason(error: Mapping[str, Any], field: FieldInfo | None) -> str:
    kind = str(error["type"])
    if kind == "extra_forbidden":
        return _UNKNOWN
    if kind.startswith("bool_"):
        return "must be true or false"
    if kind == "model_type":
        return "must be a section: its name in brackets, and its settings on the lines below"
    if field and kind.startswith(_NUMBER_ERRORS):
        bounds = {word: getattr(one, key) for one in field.metadata for word, key in _BOUNDS if hasattr(one, key)}
        number = "an integer" if field.annotation is int else "a number"
        return " ".join([f"must be {number}", *(f"{word} {bound}" for word, bound in bounds.items())])
    message = str(error["msg"]).removeprefix("Value error, ").replace("Input should be", "must be")
    return f"{message[:1].lower()}{message[1:]}"
