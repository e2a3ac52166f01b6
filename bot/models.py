"""Domain values: messages and events, requests, generations and their results, and what cards show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from bot.errors import UserError
from bot.options import Options, TypedOptions

Language = Literal["zh", "en"]
ChatType = Literal["p2p", "group"]

PROMPT_HINT_LENGTH = 1000  # characters over which the platform's guide says that a prompt is too long


def value_at(body: Any, *path: str) -> Any:
    """What is at a path of decoded JSON; ``None`` where there is nothing."""
    for key in path:
        body = body.get(key) if isinstance(body, Mapping) else None
    return body


class State(StrEnum):
    """The state of a generation; the last three are final."""

    WAITING = "waiting"
    GENERATING = "generating"
    MADE = "made"  # the image's URL is stored, so no second call is paid; download and upload follow
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        return self in (State.DONE, State.FAILED, State.CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message that is meant for the bot, its mentions resolved.

    ``text`` is without the bot's own mention; other people's names, which are ``names``, are masked: see
    :mod:`bot.chat.parsing.events`. ``thread_id`` is set only in a topic.
    """

    message_id: str
    event_id: str
    chat_id: str
    chat_type: ChatType
    thread_id: str | None
    sender: str
    text: str
    names: tuple[str, ...] = ()
    attachment: bool = False  # whether there is an image, a file or another thing in it that the bot cannot read
    references: tuple[str, ...] = ()  # the message that it replies to, and the first one of that thread of replies


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An authentic event: signature, token, app and age have been checked.

    ``created_at`` is the signed time of the event in seconds since 1970; ``body`` is the ``event`` object.
    """

    event_id: str
    event_type: str
    created_at: float
    body: Mapping[str, Any]

    @property
    def ids(self) -> dict[str, str | None]:
        """The ids for its log lines: its own, and that of its message or of the pressed card."""
        message_id = value_at(self.body, "message", "message_id") or value_at(self.body, "message_id")
        card = value_at(self.body, "context", "open_message_id")
        return {"event_id": self.event_id, "message_id": message_id, "card": card}


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRecall:
    message_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Onboarding:
    """A moment at which the bot introduces itself."""

    kind: Literal["entered", "added", "menu"]
    event_id: str
    chat_id: str | None  # `None` for the bot's menu, whose event names only the person
    person: str
    first: bool = True  # whether the person is new to the bot, as far as the event says


@dataclass(frozen=True, slots=True, kw_only=True)
class CardAction:
    """A press on a button, a choice in a select, or a form that was sent, on one of the bot's cards."""

    event_id: str
    presser: str
    message_id: str
    chat_id: str
    value: Mapping[str, Any]  # what the button carries: the action and the id of a request or generation
    choice: str | None = None
    form: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ignored:
    reason: str  # for the log


@dataclass(frozen=True, kw_only=True)
class ImagePrompt:
    prompt: str
    options: TypedOptions = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Command:
    name: str  # the English word without its slash
    argument: str = ""
    options: TypedOptions = field(default_factory=dict)


ParsedMessage = ImagePrompt | Command | UserError

# What the platform's content filter checks: the prompt, the image, the conversation.
ROLES = ("user", "assistant", "history")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentFinding:
    role: str  # what was checked
    level: int  # the severity, from 0 (worst) to 3 (minor)


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedImage:
    """The answer of one paid call."""

    url: str
    created: int | None = None  # the platform's time of the request in seconds since 1970, where it sent one
    request_id: str | None = None  # what the platform's support asks for
    findings: tuple[ContentFinding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFile:
    """A downloaded image: its bytes unchanged, and what they really are."""

    content: bytes
    format: str  # the format by its magic bytes, such as `JPEG` or `PNG`
    width: int
    height: int
    suffix: str  # the file name's ending that belongs to the format, with its dot


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a generation ended without an image, as shown to the user."""

    code: str
    sentence: str
    values: Mapping[str, str] = field(default_factory=dict)
    platform: str | None = None  # the platform's own code and message, shown small below our sentence
    roles: tuple[str, ...] = ()  # where the content filter found something: `user` is the prompt, `assistant` the image


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationView:
    generation_id: str
    state: State
    image_key: str | None = None
    url: str | None = None
    link_expires_at: float | None = None  # in seconds since 1970, where it is signed for less than 30 days
    findings: tuple[ContentFinding, ...] = ()
    failure: Failure | None = None
    seconds: float | None = None  # how long the paid call took
    repeated: bool = False  # whether a crash hid the outcome of a first call, so that this one was paid in addition
    reencoded: bool = False  # whether the image was re-encoded to fit Feishu's limit
    resumable: bool = False  # whether it failed after it was paid for, and can still be fetched without paying again
    calls_billed: int = 0  # how many of its calls the platform bills, or may bill where there is no image
    kept: bool = False  # whether the platform made the image of a cancelled one, which can still be delivered
    platform_request_id: str | None = None  # the platform's own id of the paid call, for its support


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestView:
    request_id: str
    prompt: str
    options: Options
    images: tuple[GenerationView, ...]
    ahead: int | None = None  # how many generations are ahead of the first waiting one of this request
    wait_seconds: float | None = None  # the estimated wait, where one can be made
    backing_off: bool = False  # whether the platform's limit makes the first waiting generation wait
    price: float | None = None  # yuan for one image; `None` where no price is known
    raw_prompt: str | None = None  # the prompt without the words of its style; `None` where it has none
    recalled: bool = False  # whether the message was recalled: its prompt cannot be used again
    recognized_words: tuple[str, ...] = ()  # as they were typed: for options, or for an image again
    recognized_options: tuple[str, ...] = ()  # the options that these words mean

    @property
    def done(self) -> list[GenerationView]:
        """The images that are in the chat."""
        return [image for image in self.images if image.state is State.DONE]


# What the cards of commands show.


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueEntry:
    """A request with images that run or wait; ``number`` is what ``/cancel`` takes, for one's own alone."""

    request_id: str
    prompt: str
    mine: bool
    here: bool  # whether it belongs to this chat; other people's in other chats are not shown
    running: int  # images whose call or delivery is under way
    waiting: int
    number: int | None = None
    ahead: int | None = None  # generations ahead of its first waiting one
    wait_seconds: float | None = None  # until its last image is there, where that can be estimated
    price: float = 0.0  # yuan for an image


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueView:
    """The unfinished requests of a chat, one's own everywhere, and how many images there are elsewhere."""

    entries: tuple[QueueEntry, ...]
    elsewhere: int
    paused: bool
    private: bool = False  # whether nobody else reads it, so that one's own prompts from other chats may be shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What has been used of a limit, in images or in yuan; a limit of 0 is none."""

    name: str  # which limit: `quota.NAME` is its sentence
    used: float
    most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaView:
    """What a person, the budgets that apply to the person and this chat, and the team have used."""

    own: tuple[Quota, ...]
    budgets: tuple[Quota, ...]
    team: tuple[Quota, ...]
    resets_at: float  # when the person's day starts again, in seconds since 1970


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    request_id: str
    prompt: str
    image_key: str
    options: Options
    generation_id: str = ""  # whose original can be sent; empty where it is not available any more
    accepted_at: float | None = None  # in seconds since 1970
    calls_billed: int = 1  # how many calls the platform bills for it


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryView:
    """One page of somebody's history, newest first."""

    entries: tuple[HistoryEntry, ...]
    filter: str = ""  # the day or the words that were asked for, as they were typed
    everywhere: bool = False  # whether it covers all chats of the person, not this chat alone
    more: bool = False  # whether there are older ones


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelStats:
    """One model's month: images charged, yuan, and the medians in seconds."""

    model: str
    images: int
    yuan: float
    generation_seconds: float | None
    waiting_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What one person or one chat has used in a month: calls that the platform bills or may bill, and yuan."""

    open_id: str  # of the person; in a direct chat of the person there, in a group empty
    images: int
    yuan: float
    chat_id: str = ""  # of the chat; empty where the person in all chats is meant


@dataclass(frozen=True, slots=True, kw_only=True)
class StatsView:
    """The team's month, for an admin; ``month`` is written ``2026-11``."""

    month: str
    models: tuple[ModelStats, ...]
    people: tuple[Usage, ...]  # the people with the highest cost, the highest first
    days: tuple[tuple[str, int], ...]  # images a day, as `11-23` and count, oldest first
    outcomes: Mapping[str, int]  # how generations ended: `done`, `cancelled`, or the sentence of their failure
    feishu_calls: int
    paused: bool
    chats: tuple[Usage, ...] = ()  # the chats with the highest cost, the highest first
