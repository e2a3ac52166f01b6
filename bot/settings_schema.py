"""The sections of ``bot.toml``, each value with its bounds."""

from __future__ import annotations

import ipaddress
import re
import zoneinfo
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from bot import sizes
from bot.dotenv import unquote
from bot.errors import InvalidSize
from bot.models import Options

Model = Literal["glm-image", "cogview-4", "cogview-4-250304", "cogview-3-flash"]
Slots = Annotated[int, Field(ge=1, le=100)]
Price = Annotated[float, Field(ge=0, le=100)]

_SEPARATORS = re.compile(r"[,;，；、\s]+")


def split_list(given: str) -> list[str]:
    """The entries of a list in one string: separated by commas, semicolons or spaces, or in JSON."""
    inside = given[1:-1] if given.startswith("[") and given.endswith("]") else given
    return [entry for part in _SEPARATORS.split(inside) if (entry := unquote(part))]


class Section(BaseModel):
    """A section: frozen, and no unknown names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def _not_a_switch(cls, given: Any, info: ValidationInfo) -> Any:
        # Otherwise true would be the number 1.
        if isinstance(given, bool) and cls.model_fields[str(info.field_name)].annotation in {int, float}:
            raise PydanticCustomError("int_type", "must be a number")
        return given


class Team(Section):
    """Who uses the bot, and the times that they read."""

    timezone: str = "Asia/Shanghai"
    admins: tuple[str, ...] = ()
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
            raise ValueError(f"{listed} is not the {kind} ({prefix}…) that /id tells")
        return ids

    @field_validator("timezone")
    @classmethod
    def _known(cls, given: str) -> str:
        try:
            ZoneInfo(given)
        except (KeyError, ValueError, OSError):
            if not zoneinfo.available_timezones():
                raise ValueError("there are no time zones on this machine; install the package tzdata") from None
            raise ValueError("is not an IANA time zone such as Asia/Shanghai") from None
        return given

    def allows(self, person: str, chat: str | None) -> bool:
        """Whether a person may use the bot in a chat; admins may everywhere, and empty lists allow everyone."""
        if person in self.admins:
            return True
        chat_fits = not self.allowed_chats or chat in self.allowed_chats
        return chat_fits and (not self.allowed_people or person in self.allowed_people)

    @property
    def zone(self) -> ZoneInfo:
        """The time zone."""
        return ZoneInfo(self.timezone)


class Images(Section):
    """What a prompt without options is made with."""

    model: Model = "glm-image"
    size: Annotated[str, Field(validate_default=True)] = "1280x1280"
    quality: Literal["hd", "standard"] = "hd"
    watermark_disclaimer_signed: bool = False

    @field_validator("size")
    @classmethod
    def _size_of_model(cls, given: str, info: ValidationInfo) -> str:
        # A model that is wrong itself is reported as such.
        try:
            sizes.resolve(info.data.get("model", "glm-image"), given)
        except InvalidSize as error:
            raise PydanticCustomError("size", "{reason}", {"reason": str(error), "with": ["model"]}) from None
        return given

    @property
    def defaults(self) -> Options:
        """The options of a prompt that names none."""
        return Options(model=self.model, size=sizes.resolve(self.model, self.size), quality=self.quality)


class SlotCounts(Section):
    """Paid calls that may be in flight at once."""

    glm_image: Slots = 1
    cogview: Slots = 5

    def by_model(self) -> dict[str, int]:
        """The slots of each model."""
        return {model: self.glm_image if model == "glm-image" else self.cogview for model in sizes.MODELS}


class LimitSettings(Section):
    """How much may be asked for; 0 is no limit."""

    per_minute: Annotated[int, Field(ge=0, le=1_000)] = 10
    pending: Annotated[int, Field(ge=0, le=1_000)] = 5
    waiting: Annotated[int, Field(ge=0, le=100_000)] = 100
    per_day: Annotated[int, Field(ge=0, le=100_000)] = 20
    images_per_month: Annotated[int, Field(ge=0, le=10_000_000)] = 1000
    yuan_per_month: Annotated[float, Field(ge=0, le=1_000_000)] = 100.0


class Prices(Section):
    """Yuan an image."""

    glm_image: Price = 0.1
    cogview_4: Price = 0.06
    cogview_3_flash: Price = 0.0

    def by_model(self) -> dict[str, float]:
        """The price of an image of each model."""
        return {
            "glm-image": self.glm_image,
            "cogview-4": self.cogview_4,
            "cogview-4-250304": self.cogview_4,
            "cogview-3-flash": self.cogview_3_flash,
        }


class CardSettings(Section):
    """How cards look."""

    buttons: bool = True


class WelcomeSettings(Section):
    """When the bot introduces itself unasked."""

    entered: bool = True
    added: bool = True
    menu: bool = True

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of greeting that are answered."""
        return frozenset(name for name in ("entered", "added", "menu") if getattr(self, name))


class OriginalsSettings(Section):
    """How long pictures are kept in the data folder, and how much room they take."""

    days: Annotated[int, Field(ge=0, le=3650)] = 30
    megabytes: Annotated[int, Field(ge=0, le=1_000_000)] = 2048


class RetentionSettings(Section):
    """How long the database keeps what has ended."""

    days: Annotated[int, Field(ge=1, le=3650)] = 40


class BaseSettings(Section):
    """The table of a Feishu Base in which each generation is recorded; with neither id there is none."""

    app_token: str = ""
    table_id: Annotated[str, Field(validate_default=True)] = ""
    minutes: Annotated[float, Field(ge=0, le=1440)] = 15.0
    prompts: bool = False

    @field_validator("app_token", "table_id")
    @classmethod
    def _of_the_address(cls, given: str) -> str:
        if re.fullmatch(r"[A-Za-z0-9_-]*", given):
            return given
        raise ValueError("must be letters and digits; copy it out of the table's address")

    @field_validator("table_id")
    @classmethod
    def _both(cls, given: str, info: ValidationInfo) -> str:
        if bool(given) != bool(info.data.get("app_token", given)):
            reason = "app_token and table_id belong together: set both, or neither"
            raise PydanticCustomError("both", "{reason}", {"reason": reason, "with": ["app_token"]})
        return given

    @property
    def on(self) -> bool:
        """Whether generations are recorded."""
        return bool(self.app_token)


class ServerSettings(Section):
    """The bounds of the web server."""

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


class LogSettings(Section):
    """What is logged."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"
    prompts: bool = False
