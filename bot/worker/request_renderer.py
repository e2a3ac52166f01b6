"""What the chat is to show of a request now: its card, its queue position, and whether that is the last change."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter
from typing import Any, ClassVar

from bot.chat.cards import command_cards as commands
from bot.chat.cards.elements import Card, CardContext
from bot.chat.cards.form_card import render_form
from bot.chat.cards.request_card import render_request
from bot.db.database import Database
from bot.db.generations import queued_cards, read_queue
from bot.db.key_value import Preferences
from bot.db.reports import Reports, unfinished
from bot.db.requests import MOST_PATCHES, find_request, mark_dirty
from bot.db.tables import RECALLED, Request
from bot.errors import UserError
from bot.models import GenerationView, QueueEntry, QueueView, RequestView, State
from bot.options import Options, known_options
from bot.service.history import read_history
from bot.service.quotas import Limits

# How long a call takes while none has been measured.
TYPICAL_SECONDS = {"glm-image": 35.0, "cogview-4": 15.0, "cogview-4-250304": 15.0, "cogview-3-flash": 10.0}
UNKNOWN_SECONDS = 35.0  # the same for a model that this version does not know
BUCKETS = (60.0, 180.0, 600.0)  # an estimate is shown as under one, three or ten minutes, or as more
NEAR_FRONT = 3  # the positions whose cards follow every change; farther back only the bucket of the estimate counts


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePosition:
    """The position of a request's first waiting generation."""

    ahead: int  # generations that get a slot before it, including those that hold one now
    wait_seconds: float
    done_seconds: float  # the estimate until the last of them is made
    starts_next: bool  # whether a slot is free for it now, and nothing holds the queue up
    backing_off: bool
    count: int  # how many generations of the request are waiting
    paused: bool  # whether an admin has paused the bot, so that no wait can be estimated

    @property
    def key(self) -> str:
        """What a card shows of it, in short: the number ahead, and the index of the estimate in :data:`BUCKETS`."""
        return f"{self.ahead} {sum(self.wait_seconds >= end for end in BUCKETS)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueReader:
    """Reads the positions of each model's queue; ``slots`` are the calls of each model that may be in flight."""

    database: Database
    slots: Mapping[str, int]

    def positions(self, model: str, request_id: str | None = None) -> dict[str, QueuePosition]:
        """The position of each waiting request of a model, or of one, by its id and in their order, read now."""
        queue = read_queue(self.database, model, request_id)
        # A newer version makes the images of a model that this one does not know: here no slot is ever free.
        slots = self.slots.get(model, 0)
        typical = TYPICAL_SECONDS.get(model, UNKNOWN_SECONDS)
        seconds = statistics.median(queue.measured) if queue.measured else typical
        turns: dict[str, list[tuple[int, float]]] = {}
        for one in queue.waiting:
            turns.setdefault(one.request_id, []).append((queue.running + one.turn - 1, one.due_at))
        positions = {}
        for one_id, own in turns.items():
            ahead, due_at = own[0]
            backing_off = due_at > queue.now
            positions[one_id] = QueuePosition(
                ahead=ahead,
                wait_seconds=ahead // max(slots, 1) * seconds,
                done_seconds=(own[-1][0] // max(slots, 1) + 1) * seconds,
                starts_next=not queue.held and ahead < slots and not backing_off,
                backing_off=backing_off,
                count=len(own),
                paused=queue.paused,
            )
        return positions

    def refresh_cards(self) -> int:
        """Marks the cards whose position or estimate has changed as dirty; returns how many.

        A basic Feishu plan allows 10,000 to 50,000 calls a month, so a card is not patched at every change.
        """
        cards = queued_cards(self.database)
        positions = {model: self.positions(model) for model in {card.model for card in cards}}
        outdated = []
        for card in cards:
            if position := positions[card.model].get(card.request_id):
                shown, key = (card.shown_position or "").split(), position.key.split()
                changed = shown != key if position.ahead < NEAR_FRONT else shown[-1:] != key[-1:]
                # The change to "generating" and one patch per image are kept back.
                if changed and card.patch_count < MOST_PATCHES - 1 - position.count:
                    outdated.append(card.request_id)
        if outdated:
            with self.database.write(step="queue.mark_dirty") as connection:
                mark_dirty(connection, outdated)
        return len(outdated)


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedRequest:
    """A request as it is to be shown now; ``last`` if nothing will change any more."""

    card: Card
    state: str  # what the card shows
    last: bool
    position_key: str | None = None  # the queue position on the card
    view: RequestView | None = None  # of a request of images


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRenderer:
    cards: CardContext
    reports: Reports
    queue: QueueReader
    limits: Limits
    preferences: Preferences

    def render(self, request: Request, images: tuple[GenerationView, ...]) -> RenderedRequest:
        if request.kind == "images":
            return self._render_images(request, images)
        if request.kind in ("rejected", "too_fast"):
            return RenderedRequest(card=self._error(request), state="rejected", last=True)
        name = str(request.content.get("name", "help"))
        card = self._COMMANDS.get(name, self._COMMANDS["help"])(self, request)
        return RenderedRequest(card=card, state=name, last=True)

    def _render_images(self, request: Request, images: tuple[GenerationView, ...]) -> RenderedRequest:
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
        states, state, key = {image.state for image in images}, "generating", None
        last = all(state.ended for state in states)
        if last:
            state = "result" if State.DONE in states else "cancelled" if states == {State.CANCELLED} else "failed"
        elif not states & {State.GENERATING, State.MADE} and (
            position := self.queue.positions(view.options.model, view.request_id).get(view.request_id)
        ):
            if position.starts_next:
                # The slot is free: the card need not say "queued" for the moment until it is taken.
                first = next(index for index, image in enumerate(images) if image.state is State.WAITING)
                started = replace(images[first], state=State.GENERATING)
                view = replace(view, images=(*images[:first], started, *images[first + 1 :]))
            else:
                estimate = None if position.paused else position.wait_seconds
                view = replace(view, ahead=position.ahead, wait_seconds=estimate, backing_off=position.backing_off)
                state, key = "backing_off" if position.backing_off else "queued", position.key
        return RenderedRequest(
            card=render_request(self.cards, view), state=state, last=last, position_key=key, view=view
        )

    def _queue(self, request: Request) -> Card:
        """The unfinished requests of a chat, and this sender's own everywhere."""
        rows, paused = unfinished(self.queue.database)
        own = list(dict.fromkeys(row.request_id for row in rows if row.sender == request.sender))
        positions: dict[str, QueuePosition] = {}
        for model in {row.model for row in rows}:
            positions |= self.queue.positions(model)
        entries, elsewhere = [], 0
        for request_id, group in groupby(rows, key=attrgetter("request_id")):
            images, position = list(group), positions.get(request_id)
            first = images[0]
            mine, here = first.sender == request.sender, first.chat_id == request.chat_id
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
        ordered = tuple(sorted(entries, key=lambda one: -1 if one.ahead is None else one.ahead))
        private = request.chat_type == "p2p"
        view = QueueView(entries=ordered, elsewhere=elsewhere, paused=paused, private=private)
        return commands.render_queue(self.cards, view)

    def _find(self, request_id: str) -> Request | None:
        with self.queue.database.read() as connection:
            return find_request(connection, request_id)

    def _notice(self, request: Request) -> Card:
        name, _, details = request.content["argument"].partition("\n")
        return commands.render_notice(self.cards, name, **({"details": details} if details else {}))

    def _quota(self, request: Request) -> Card:
        with self.queue.database.read() as connection:
            return commands.render_quota(self.cards, self.limits.quota(connection, request.sender, request.chat_id))

    def _settings(self, request: Request) -> Card:
        of_chat = request.content["argument"] == "chat"
        sender = "" if of_chat else request.sender
        with self.queue.database.read() as connection:
            defaults = self.preferences.read(connection, sender, request.chat_id)
        return commands.render_settings(
            self.cards,
            options=defaults.options(person=sender, chat=request.chat_id),
            language=defaults.language(sender),
            own=defaults.of(sender),
            chat=defaults.of(request.chat_id),
            of_chat=of_chat,
        )

    def _history(self, request: Request) -> Card:
        view, _ = read_history(self.queue.database, request, zone=self.cards.zone)
        return commands.render_history(self.cards, view, request_id=request.request_id)

    def _form(self, request: Request) -> Card:
        """The form with the prompt of a request: with words added to it, or as its message was typed."""
        edited, _, change = request.content["argument"].partition("\n")
        row = self._find(edited)
        if row is None or not row.raw_prompt:
            return commands.render_notice(self.cards, "recalled")
        typed = row.content.get("typed") if request.content["name"] == "retype" else None
        prompt = row.raw_prompt
        if change:
            prompt = f"{prompt.rstrip('，,。. ')}{', ' if change.isascii() else '，'}{change}"
        options = row.options
        return render_form(self.cards, request_id=edited, prompt=typed or prompt, options=options)

    def _offered(self, request: Request, options: Mapping[str, Any]) -> tuple[float, int]:
        """Yuan for all images that a request offers with typed options, and how many they are."""
        typed = known_options(options)
        with self.queue.database.read() as connection:
            choices = self.preferences.read(connection, request.sender, request.chat_id)
        defaults = choices.options(person=request.sender, chat=request.chat_id)
        count = int(typed.get("count", defaults.count))
        return self.limits.prices.get(str(typed.get("model", defaults.model)), 0.0) * count, count

    def _error(self, request: Request) -> Card:
        content = request.content
        offer = content.get("offer")
        error = UserError(
            sentence=content["sentence"], values=content["values"], command=content.get("command"), offer=offer
        )
        price, _ = self._offered(request, offer["options"]) if offer else (0.0, 0)
        drawn = content.get("result") == "drawn"
        return commands.render_error(self.cards, error, request_id=request.request_id, price=price, drawn=drawn)

    def _question(self, request: Request) -> Card:
        content = request.content
        price, count = self._offered(request, content["options"])
        return commands.render_question(
            self.cards,
            request_id=request.request_id,
            prompt="" if request.hide_prompt else content["argument"],
            price=price,
            count=count,
            result=content.get("result"),
            style=content["options"].get("style"),
        )

    def _duplicate(self, request: Request) -> Card:
        typed = known_options(request.content["offer"]["options"])
        first = self._find(request.content["argument"])
        options = Options.from_stored({**(first.content if first else {}), **typed})
        return commands.render_duplicate(
            self.cards,
            request_id=request.request_id,
            price=self.limits.price(options),
            result=request.content.get("result"),
        )

    def _cancelled(self, request: Request) -> Card:
        result = request.content["result"]
        in_call: Mapping[str, int] = result.get("in_call", {})
        with self.queue.database.read() as connection:
            named = [find_request(connection, request_id) for request_id in result.get("named", ())]
        return commands.render_cancelled(
            self.cards,
            count=result["count"],
            in_call=sum(in_call.values()),
            price=sum(self.limits.prices.get(model, 0.0) * count for model, count in in_call.items()),
            prompt="\n".join(row.prompt for row in named if row is not None and row.prompt),
        )

    def _either(self, request: Request, changed: str, unchanged: str) -> Card:
        return commands.render_notice(self.cards, changed if request.content["result"]["changed"] else unchanged)

    _COMMANDS: ClassVar[Mapping[str, Callable[[Any, Request], Card]]] = {
        "help": lambda self, _: commands.render_short_help(self.cards),
        "commands": lambda self, _: commands.render_help(self.cards),
        "sizes": lambda self, _: commands.render_sizes(self.cards),
        "models": lambda self, _: commands.render_models(self.cards),
        "styles": lambda self, _: commands.render_styles(self.cards),
        "tips": lambda self, _: commands.render_tips(self.cards),
        "welcome": lambda self, _: commands.render_welcome(self.cards),
        # Sent as a file; this card is shown only where the file cannot be.
        "original": lambda self, _: commands.render_notice(self.cards, "original_gone"),
        "queue": _queue,
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
        "set": lambda self, one: commands.render_changed(self.cards, **one.content["result"]),
        "redownload": lambda self, _: commands.render_notice(self.cards, "redownload"),
        "lang": lambda self, _: commands.render_notice(self.cards, "language"),
        RECALLED: lambda self, _: commands.render_notice(self.cards, "recalled"),
        "notice": _notice,
        "pause": lambda self, one: self._either(one, "paused", "already_paused"),
        "resume": lambda self, one: self._either(one, "resumed", "already_running"),
    }
