"""Conversations with the whole bot: what is said, the one answer to it, and what is pressed on its card."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from bot.chat.messages import LOCALES
from bot.models import Language
from bot.sandbox.feishu.card_actions import CardAction
from bot.sandbox.feishu.delivery import Attempt
from bot.sandbox.feishu.world import ChatMessage
from bot.sandbox.glm.stand_in import GlmCall
from bot.timings import Timings
from tests.support.world import DEADLINE, QUICK, Impatient, Talk, World, catalogue, posts_of

WORDS = catalogue()
LANGUAGES: tuple[Language, ...] = ("zh", "en")
ADMIN = "ou_admin_of_the_tests"
TOAST_SECONDS = 3.0


class Gate:
    """Holds every paid call until it is let through."""

    def __init__(self) -> None:
        self.reached = 0
        """How many calls have come to the gate."""
        self._passes = threading.Semaphore(0)

    def wait(self) -> None:
        """Waits until somebody lets the call through that has come to the gate."""
        self.reached += 1
        if not self._passes.acquire(timeout=DEADLINE):
            raise httpx.ReadTimeout("nobody let this call through")

    def let(self, calls: int = 1) -> None:
        """Lets so many calls through, now or when they come."""
        self._passes.release(calls)

    def around(self, inner: httpx.BaseTransport) -> httpx.BaseTransport:
        """The transport with the gate before it."""
        return _Gated(Impatient(inner), self)


class _Gated(httpx.BaseTransport):
    def __init__(self, inner: httpx.BaseTransport, gate: Gate) -> None:
        self._inner = inner
        self._gate = gate

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._gate.wait()
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()


@contextmanager
def bot_with(
    folder: Path,
    variables: Mapping[str, str] | None = None,
    *,
    calling: Callable[[httpx.BaseTransport], httpx.BaseTransport] = Impatient,
    pace: Timings = QUICK,
) -> Iterator[World]:
    """The bot with an admin and these settings; in the end nobody was pinged and no redirect was followed."""
    settings = {"BOT_TEAM_ADMINS": ADMIN, **(variables or {})}
    with World(folder=folder, calling=calling, pace=pace, variables=settings) as world:
        world.feishu.world.add_person("管理员", open_id=ADMIN)
        yield world
        assert world.feishu.pings == []
        assert world.glm.strays == []


@contextmanager
def bot_behind(gate: Gate, folder: Path, variables: Mapping[str, str] | None = None) -> Iterator[World]:
    """The bot whose paid calls wait at a gate; in the end the gate stands open."""
    with bot_with(folder, variables, calling=gate.around) as world:
        try:
            yield world
        finally:
            gate.let(1000)


def admin_in(world: World, talk: Talk | None = None) -> Talk:
    """The admin, in the chat of a conversation or in one of their own."""
    feishu = world.feishu
    chat_id = talk.chat_id if talk else feishu.world.add_chat("p2p", name="管理员", members=[ADMIN]).chat_id
    return Talk(world=world, person=ADMIN, chat_id=chat_id, first_call=len(feishu.calls))


def somebody_else_in(talk: Talk) -> Talk:
    """A further person in the same chat."""
    feishu = talk.world.feishu
    person = feishu.world.add_person("另一人").open_id
    return Talk(world=talk.world, person=person, chat_id=talk.chat_id, first_call=len(feishu.calls))


def answer_to(talk: Talk, said: ChatMessage | str) -> ChatMessage:
    """The one answer to a message, once everything has come to its end; silence fails, and so do two answers."""
    if isinstance(said, str):
        said = talk.say(said)
    rest(talk.world, said)
    (answer,) = talk.world.feishu.replies(said.message_id)
    return answer


def is_met_with_silence(talk: Talk, said: ChatMessage) -> bool:
    """Whether a message was taken and led to no message and no paid call."""
    rest(talk.world, said)
    return talk.answers == [] and posts_of(talk.world.glm, said) == []


def first_answer_to(talk: Talk, said: ChatMessage | str) -> ChatMessage:
    """The answer to a message as soon as it stands in the chat."""
    if isinstance(said, str):
        said = talk.say(said)
    message_id = said.message_id
    talk.wait(lambda: talk.world.feishu.replies(message_id))
    return talk.world.feishu.replies(message_id)[0]


def rest(world: World, said: ChatMessage) -> None:
    """Waits until the bot has taken a message and nothing is left to do."""
    taken = world.feishu.wait_for(
        lambda feishu: any(_brought(attempt, said) for attempt in feishu.attempts) and world.idle, seconds=DEADLINE
    )
    assert taken, f"after {DEADLINE} s: {said}"


def now(world: World, message: ChatMessage) -> ChatMessage:
    """A message as it stands now."""
    return world.feishu.world.messages[message.message_id]


def patches(card: ChatMessage) -> int:
    """How often a card was changed since it was sent."""
    return len(card.versions) - 1


def wait_to_show(world: World, message: ChatMessage, key: str, **values: object) -> ChatMessage:
    """Waits until a card shows a sentence; gives it as it then stands."""
    shown = world.feishu.wait_for(lambda _: shows(now(world, message), key, **values), seconds=DEADLINE)
    assert shown, words(now(world, message))
    return now(world, message)


def paid_for(talk: Talk, said: ChatMessage) -> list[dict[str, Any]]:
    """The bodies of the paid calls that were made since a message was sent."""
    calls: list[GlmCall] = [call for call in list(talk.world.glm.calls) if call.at >= said.created]
    return [call.body for call in calls]


def words(message: ChatMessage, language: Language = "zh") -> str:
    """Everything that a reader of a language sees on a card, a line each."""
    return "\n".join(_texts(json.loads(message.content), LOCALES[language]))


def shows(message: ChatMessage, key: str, **values: object) -> bool:
    """Whether a card shows a sentence of the catalogue, to readers of either language in their own."""
    return all(WORDS.text(key, language, **values) in words(message, language) for language in LANGUAGES)


def button(talk: Talk, card: ChatMessage, action: str, *, number: int = 0) -> CardAction:
    """The button, select or form of a card that calls back with an action; ``number`` counts those with the same."""
    found = [one for one in talk.world.feishu.actions(card.message_id) if (one.value or {}).get("a") == action]
    return found[number]


def flash(talk: Talk, card: ChatMessage, action: str, *, number: int = 0, choice: str | None = None) -> dict[str, str]:
    """Presses what stands on a card; gives the toast by language, which came within 3 s."""
    found = button(talk, card, action, number=number)
    return toast_of(talk, card, found.value or {}, tag=found.tag, option=choice)


def toast_of(talk: Talk, card: ChatMessage, value: Any, **how: Any) -> dict[str, str]:
    """Sends a press with a value, whether or not a button carries it; gives the toast by language."""
    answer = talk.world.feishu.press(card.message_id, talk.person, value=value, **how)
    assert answer.code is None
    assert answer.toast is not None
    assert last_press(talk.world).seconds < TOAST_SECONDS
    by_language: dict[str, str] = answer.toast["i18n"]
    assert set(by_language) == set(LOCALES.values())
    return by_language


def pressed(talk: Talk, card: ChatMessage, action: str, *, number: int = 0, choice: str | None = None) -> ChatMessage:
    """Presses what stands on a card; gives the one new answer, once everything has come to its end."""
    before = len(talk.answers)
    flash(talk, card, action, number=number, choice=choice)
    (answer,) = new_answers(talk, before)
    return answer


def new_answers(talk: Talk, before: int) -> list[ChatMessage]:
    """What the bot sent after its first ``before`` messages, once everything has come to its end."""
    talk.wait(lambda: talk.world.idle)
    return talk.answers[before:]


def said_in_toast(key: str, **values: object) -> dict[str, str]:
    """A sentence of the catalogue as a toast says it."""
    return WORDS.both(key, **values)


def last_press(world: World) -> Attempt:
    """The last press as it was delivered."""
    return [attempt for attempt in world.feishu.attempts if attempt.event_type == "card.action.trigger"][-1]


def deliver_again(world: World, attempt: Attempt) -> Attempt:
    """Delivers an event once more, as it was."""
    header = {**attempt.event["header"], "token": world.feishu.verification_token}
    (again,) = world.feishu.push({**attempt.event, "header": header})
    return again


def _brought(attempt: Attempt, said: ChatMessage) -> bool:
    message = attempt.event.get("event", {}).get("message", {})
    return attempt.outcome == "acknowledged" and message.get("message_id") == said.message_id


def _texts(part: Any, locale: str) -> Iterator[str]:
    match part:
        case {"i18n_content": dict(by_locale)}:
            yield str(by_locale[locale])
        case {"content": str(text)}:
            yield text
        case dict():
            for inner in part.values():
                yield from _texts(inner, locale)
        case list():
            for inner in part:
                yield from _texts(inner, locale)
