"""Renders what the chat is to show of a request now: its card, and whether that is the last change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter
from typing import Any

from bot.chat.cards import command_cards as commands
from bot.chat.cards.elements import Card, CardContext
from bot.chat.cards.form_card import render_form
from bot.chat.cards.request_card import render_request
from bot.db.database import Database
from bot.db.key_value import Preferences
from bot.db.reports import Reports, unfinished
from bot.db.requests import find_request
from bot.db.tables import RECALLED, Request
from bot.errors import UserError
from bot.models import GenerationView, QueueEntry, QueueView, RequestView, State
from bot.options import Options, PartialOptions
from bot.service.history import read_history
from bot.service.quotas import Limits
from bot.worker.queue_positions import QueuePosition, QueueReader


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedRequest:
    """A request as it is to be shown now.

    ``state`` names what the card shows, ``position_key`` the queue position on it, where there is one. ``view`` is
    there for requests of images.
    """

    card: Card
    state: str
    last: bool
    position_key: str | None = None
    view: RequestView | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRenderer:
    """Renders requests, with the prices of ``limits``."""

    database: Database
    cards: CardContext
    reports: Reports
    queue: QueueReader
    limits: Limits
    preferences: Preferences

    def render(self, request: Request, images: tuple[GenerationView, ...]) -> RenderedRequest:
        """How a request is to be shown."""
        if request.kind in ("rejected", "too_fast"):
            return RenderedRequest(card=_error(self, request), state="rejected", last=True)
        if request.kind != "images":
            name = str(request.content.get("name", "help"))
            card = COMMAND_CARDS.get(name, COMMAND_CARDS["help"])(self, request)
            return RenderedRequest(card=card, state=name, last=True)
        recognized = {} if request.hide_prompt else request.content.get("recognized", {})
        view = RequestView(
            request_id=request.request_id,
            prompt="" if request.hide_prompt else request.prompt,
            raw_prompt="" if request.hide_prompt else request.raw_prompt,
            options=request.options,
            images=images,
            recalled=request.recalled,
            price=self.limits.prices.get(request.options.model),
            recognized_words=tuple(recognized.get("words", ())),
            recognized_options=tuple(recognized.get("options", ())),
        )
        states = {image.state for image in images}
        if all(state.ended for state in states):
            ended = "result" if State.DONE in states else "cancelled" if states == {State.CANCELLED} else "failed"
            return self._with_card(view, state=ended, last=True)
        under_way = states & {State.GENERATING, State.MADE}
        if under_way or (position := self.queue.positions(view.options.model).get(view.request_id)) is None:
            return self._with_card(view, state="generating")
        if position.starts_next:
            # The slot is free: the card need not say "queued" for the moment until it is taken.
            first = next(index for index, image in enumerate(images) if image.state is State.WAITING)
            started = replace(images[first], state=State.GENERATING)
            view = replace(view, images=(*images[:first], started, *images[first + 1 :]))
            return self._with_card(view, state="generating")
        estimate = None if position.paused else position.wait_seconds
        view = replace(view, ahead=position.ahead, wait_seconds=estimate, backing_off=position.backing_off)
        state = "backing_off" if position.backing_off else "queued"
        return self._with_card(view, state=state, position_key=position.key)

    def _with_card(
        self, view: RequestView, *, state: str, last: bool = False, position_key: str | None = None
    ) -> RenderedRequest:
        card = render_request(self.cards, view)
        return RenderedRequest(card=card, state=state, last=last, position_key=position_key, view=view)

    def queue_view(self, *, chat_id: str | None, sender: str, private: bool) -> QueueView:
        """The unfinished requests of a chat, and this sender's own everywhere; ``private``: nobody else reads it."""
        rows, paused = unfinished(self.database)
        own = list(dict.fromkeys(row.request_id for row in rows if row.sender == sender))
        positions: dict[str, QueuePosition] = {}
        for model in {row.model for row in rows}:
            positions |= self.queue.positions(model)
        entries, elsewhere = [], 0
        for request_id, group in groupby(rows, key=attrgetter("request_id")):
            images, position = list(group), positions.get(request_id)
            first = images[0]
            mine, here = first.sender == sender, first.chat_id == chat_id
            if not (mine or here):
                elsewhere += len(images)
                continue
            waiting = sum(image.state == State.WAITING for image in images)
            entry = QueueEntry(
                request_id=request_id,
                prompt=first.prompt,
                mine=mine,
                here=here,
                running=len(images) - waiting,
                waiting=waiting,
                number=own.index(request_id) + 1 if mine else None,
                ahead=position.ahead if position else None,
                wait_seconds=position.done_seconds if position and not position.paused else None,
                price=self.limits.prices.get(first.model, 0.0),
            )
            entries.append(entry)
        ordered = sorted(entries, key=lambda one: -1 if one.ahead is None else one.ahead)
        return QueueView(entries=tuple(ordered), elsewhere=elsewhere, paused=paused, private=private)


def _queue_card(renderer: RequestRenderer, request: Request) -> Card:
    private = request.chat_type == "p2p"
    view = renderer.queue_view(chat_id=request.chat_id, sender=request.sender, private=private)
    return commands.render_queue(renderer.cards, view)


def _notice(renderer: RequestRenderer, request: Request) -> Card:
    name, _, details = request.content["argument"].partition("\n")
    return commands.render_notice(renderer.cards, name, **({"details": details} if details else {}))


def _quota(renderer: RequestRenderer, request: Request) -> Card:
    with renderer.database.read() as connection:
        return commands.render_quota(renderer.cards, renderer.limits.quota(connection, request.sender, request.chat_id))


def _settings(renderer: RequestRenderer, request: Request) -> Card:
    of_chat = request.content["argument"] == "chat"
    sender = "" if of_chat else request.sender
    with renderer.database.read() as connection:
        defaults = renderer.preferences.read(connection, sender, request.chat_id)
    return commands.render_settings(
        renderer.cards,
        options=defaults.options(person=sender, chat=request.chat_id),
        language=defaults.language(sender),
        own=defaults.of(sender),
        chat=defaults.of(request.chat_id),
        of_chat=of_chat,
    )


def _history(renderer: RequestRenderer, request: Request) -> Card:
    view, _ = read_history(renderer.database, request, zone=renderer.cards.zone)
    return commands.render_history(renderer.cards, view, request_id=request.request_id)


def _form(renderer: RequestRenderer, request: Request) -> Card:
    """The form with the prompt of a request: with words added to it, or as its message was typed."""
    edited, _, change = request.content["argument"].partition("\n")
    with renderer.database.read() as connection:
        row = find_request(connection, edited)
    if row is None or not row.raw_prompt:
        return commands.render_notice(renderer.cards, "recalled")
    typed = row.content.get("typed") if request.content["name"] == "retype" else None
    prompt = row.raw_prompt
    if change:
        prompt = f"{prompt.rstrip('，,。. ')}{', ' if change.isascii() else '，'}{change}"
    options = row.options
    return render_form(renderer.cards, request_id=edited, prompt=typed or prompt, options=options)


def _offered(renderer: RequestRenderer, request: Request, options: Mapping[str, Any]) -> tuple[float, int]:
    """Yuan for all images that a request offers with typed options, and how many they are."""
    typed = PartialOptions.from_stored(options).given
    with renderer.database.read() as connection:
        choices = renderer.preferences.read(connection, request.sender, request.chat_id)
    defaults = choices.options(person=request.sender, chat=request.chat_id)
    count = int(typed.get("count", defaults.count))
    return renderer.limits.prices.get(str(typed.get("model", defaults.model)), 0.0) * count, count


def _error(renderer: RequestRenderer, request: Request) -> Card:
    content = request.content
    offer = content.get("offer")
    error = UserError(
        sentence=content["sentence"], values=content["values"], command=content.get("command"), offer=offer
    )
    price, _ = _offered(renderer, request, offer["options"]) if offer else (0.0, 0)
    drawn = content.get("result") == "drawn"
    return commands.render_error(renderer.cards, error, request_id=request.request_id, price=price, drawn=drawn)


def _question(renderer: RequestRenderer, request: Request) -> Card:
    content = request.content
    price, count = _offered(renderer, request, content["options"])
    return commands.render_question(
        renderer.cards,
        request_id=request.request_id,
        prompt="" if request.hide_prompt else content["argument"],
        price=price,
        count=count,
        result=content.get("result"),
        style=content["options"].get("style"),
    )


def _duplicate(renderer: RequestRenderer, request: Request) -> Card:
    typed = PartialOptions.from_stored(request.content["offer"]["options"]).given
    with renderer.database.read() as connection:
        first = find_request(connection, request.content["argument"])
    options = Options.from_stored({**(first.content if first else {}), **typed})
    return commands.render_duplicate(
        renderer.cards,
        request_id=request.request_id,
        price=renderer.limits.price(options),
        result=request.content.get("result"),
    )


def _cancelled(renderer: RequestRenderer, request: Request) -> Card:
    result = request.content["result"]
    in_call: Mapping[str, int] = result.get("in_call", {})
    with renderer.database.read() as connection:
        named = [find_request(connection, request_id) for request_id in result.get("named", ())]
    return commands.render_cancelled(
        renderer.cards,
        count=result["count"],
        in_call=sum(in_call.values()),
        price=sum(renderer.limits.prices.get(model, 0.0) * count for model, count in in_call.items()),
        prompt="\n".join(one.prompt for one in named if one is not None and one.prompt),
    )


def _changed(renderer: RequestRenderer, request: Request) -> Card:
    result = request.content["result"]
    return commands.render_changed(renderer.cards, result["changes"], for_chat=result["for_chat"])


def _either(changed: str, unchanged: str) -> Callable[[RequestRenderer, Request], Card]:
    """A notice that depends on whether the command has changed something."""
    return lambda renderer, request: commands.render_notice(
        renderer.cards, changed if request.content["result"]["changed"] else unchanged
    )


COMMAND_CARDS: Mapping[str, Callable[[RequestRenderer, Request], Card]] = {
    "help": lambda self, _: commands.render_short_help(self.cards),
    "commands": lambda self, _: commands.render_help(self.cards),
    "sizes": lambda self, _: commands.render_sizes(self.cards),
    "models": lambda self, _: commands.render_models(self.cards),
    "styles": lambda self, _: commands.render_styles(self.cards),
    "tips": lambda self, _: commands.render_tips(self.cards),
    "welcome": lambda self, _: commands.render_welcome(self.cards),
    # Sent as a file; this card is shown only where the file cannot be.
    "original": lambda self, _: commands.render_notice(self.cards, "original_gone"),
    "queue": _queue_card,
    "history": _history,
    "stats": lambda self, one: commands.render_stats(self.cards, self.reports.stats(one.content["argument"])),
    # Sent as a file; this card is shown only where the file cannot be.
    "export": lambda self, _: commands.render_notice(self.cards, "export_refused"),
    "id": lambda self, one: commands.render_ids(self.cards, person=one.sender, chat=one.chat_id),
    "not_allowed": lambda self, one: commands.render_not_allowed(self.cards, person=one.sender, chat=one.chat_id),
    "quota": _quota,
    "settings": _settings,
    "form": _form,
    "retype": _form,
    "confirm": _question,
    "duplicate": _duplicate,
    "unreadable": lambda self, _: commands.render_notice(self.cards, "unreadable"),
    "cancel": _cancelled,
    "set": _changed,
    "redownload": lambda self, _: commands.render_notice(self.cards, "redownload"),
    "lang": lambda self, _: commands.render_notice(self.cards, "language"),
    RECALLED: lambda self, _: commands.render_notice(self.cards, "recalled"),
    "notice": _notice,
    "pause": _either("paused", "already_paused"),
    "resume": _either("resumed", "already_running"),
}
"""What renders the answer to each command."""
