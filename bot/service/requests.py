"""Accepting what was understood, in one transaction: the request, its place in the line, its quota, or its refusal."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from sqlalchemy.exc import SQLAlchemyError

from bot.chat.styles import Styles
from bot.db.admission import standing
from bot.db.database import Database
from bot.db.generations import is_free_to_repeat
from bot.db.preferences import Defaults, Preferences
from bot.db.quota_counts import QuotaUsage, count_recent
from bot.db.request_inserts import (
    NewRow,
    RequestInserter,
    is_known,
    last_asked,
    last_language,
    new_request_id,
    recalled_among,
)
from bot.db.row_models import Kind, NewRequest, log_ids, read_options, source_of
from bot.errors import UserError
from bot.logs import bind_ids, get_logger
from bot.models import Command, ImagePrompt, Language, ParsedMessage
from bot.options import repeat_options
from bot.service.commands import Commands
from bot.service.group_commit import GroupCommit
from bot.service.quotas import Limits
from bot.service.request_builder import RequestBuilder, RequestContext, refused

log = get_logger(__name__)

TO_ADMIN = "notice"
"""The command of what the bot tells an admin unasked, which no rate holds up."""

Outcome = Literal["accepted", "repeated", "refused", "silenced"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitResult:
    """What became of an arrival; a refusal carries its sentence."""

    outcome: Outcome
    kind: Kind
    request_id: str | None = None
    """The new request; ``None`` where none was stored."""
    refusal: UserError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prompt:
    """A prompt, or a faulty one, that wants to be accepted."""

    arrival: RequestContext
    ask: ImagePrompt | UserError
    only_if_allowed: bool


class RequestService:
    """Accepts arrivals.

    Prompts that come at the same moment are accepted in one transaction, and so wait for the disk once; a command has
    one of its own, since what it changes may be held by a worker for a moment.

    Args:
        database: where requests are kept.
        limits: what may join the line.
        preferences: what people and chats have set.
        commands: what commands change.
        styles: the styles that a prompt can name.
        may_drop_watermark: whether people may ask for a picture without the watermark.
        log_prompts: whether prompts are written to the log.
        on_received: told what became of each arrival.
    """

    def __init__(
        self,
        database: Database,
        *,
        limits: Limits,
        preferences: Preferences,
        commands: Commands,
        styles: Styles,
        may_drop_watermark: bool,
        log_prompts: bool = False,
        on_received: Callable[[str, str], None] = lambda _kind, _outcome: None,
    ) -> None:
        self.styles = styles
        """The styles, which tell a parser what a person may have meant."""
        self._database = database
        self._limits = limits
        self._preferences = preferences
        self._commands = commands
        self._planning = RequestBuilder(styles=styles, may_drop_watermark=may_drop_watermark)
        self._log_prompts = log_prompts
        self._on_received = on_received
        self._acceptances = RequestInserter(database)
        # Text that no database takes is a ValueError, or the driver's own.
        self._together = GroupCommit(self._accept_prompts, of_one=(ValueError, SQLAlchemyError))

    def accept(
        self, arrival: RequestContext, understood: ParsedMessage, *, only_if_allowed: bool = False
    ) -> SubmitResult:
        """Stores an arrival as a request, unless one with the same origin is there.

        Args:
            arrival: where it came from.
            understood: what it asks.
            only_if_allowed: whether what a limit refuses is told of to the caller alone, and nothing is stored of it.

        Raises:
            StoreUnavailable: nothing was stored.
        """
        if isinstance(understood, Command) and understood.name == "again":
            arrival, understood = self._repeated(arrival, understood)
        if isinstance(understood, Command):
            received = self._accept_command(arrival, understood, only_if_allowed=only_if_allowed)
        else:
            received = self._together.do(_Prompt(arrival=arrival, ask=understood, only_if_allowed=only_if_allowed))
        with bind_ids(**log_ids(received.request_id, arrival.dedup_key)):
            log.info("request", outcome=received.outcome, kind=received.kind)
            if self._log_prompts and isinstance(understood, ImagePrompt) and received.outcome != "repeated":
                log.info("request prompt", prompt=understood.prompt)
        self._on_received(received.kind, received.outcome)
        return received

    def language_of(self, person: str) -> Language | None:
        """The language that a person has chosen, else that of their last message; ``None`` before the first."""
        with self._database.read() as connection:
            return self._preferences.language_of(connection, person) or last_language(connection, sender=person)

    def _accept_prompts(self, prompts: Sequence[_Prompt]) -> list[SubmitResult]:
        arrivals = [prompt.arrival for prompt in prompts]
        periods = self._limits.periods
        month = periods.month()
        with self._database.write() as connection:
            at = self._database.enter(connection)
            found = standing(
                connection,
                origins=[arrival.dedup_key for arrival in arrivals],
                people={arrival.sender for arrival in arrivals},
                chats={arrival.chat_id for arrival in arrivals if arrival.chat_id},
                month=month,
                day_began=periods.day_began(),
                at=at,
            )
            recalled = recalled_among(connection, {one.source for one in arrivals if one.source})
            asked = [_unless_recalled(prompt, recalled) for prompt in prompts]
            choices = self._preferences.over(found.chosen)
            decided = [self._decide(prompt, choices, known=found.known, counts=found.counts) for prompt in asked]
            accepted = [one for _, one in decided if one is not None]
            self._acceptances.add(connection, accepted, at=at, month=month)
        return [received for received, _ in decided]

    def _decide(
        self, prompt: _Prompt, choices: Defaults, *, known: set[str], counts: QuotaUsage
    ) -> tuple[SubmitResult, NewRow | None]:
        """What becomes of a prompt, and what is to be stored of it; ``known`` and ``counts`` are kept up to date."""
        plan = self._planning.of_prompt(prompt.arrival, prompt.ask, choices)
        new, refusal, options = plan.new, plan.fault, plan.options
        if new.dedup_key in known:
            return SubmitResult(outcome="repeated", kind=new.kind), None
        if (too_fast := self._over_rate(new, counts, only_if_allowed=prompt.only_if_allowed)) is not None:
            known.add(new.dedup_key)
            return too_fast
        if options is not None:
            refusal = self._limits.refusal(counts, sender=new.sender, options=options)
        if refusal is not None and prompt.only_if_allowed:
            return SubmitResult(outcome="refused", kind=new.kind, refusal=refusal), None
        known.add(new.dedup_key)
        counts.recent[new.sender] += 1
        request_id = new_request_id()
        if refusal is not None:
            received = SubmitResult(outcome="refused", kind=new.kind, request_id=request_id, refusal=refusal)
            return received, NewRow(request_id=request_id, new=refused(new, refusal))
        if options is not None:
            counts.add(new.sender, options)
        received = SubmitResult(outcome="accepted", kind=new.kind, request_id=request_id)
        return received, NewRow(request_id=request_id, new=new, options=options)

    def _over_rate(
        self, new: NewRequest, counts: QuotaUsage, *, only_if_allowed: bool
    ) -> tuple[SubmitResult, NewRow | None] | None:
        """What becomes of what a person sends too fast: one notice, then nothing; ``None`` where they do not."""
        refusal = self._limits.too_fast(counts, new.sender)
        if refusal is None:
            return None
        if only_if_allowed:
            return SubmitResult(outcome="refused", kind=new.kind, refusal=refusal), None
        if counts.warned[new.sender]:
            return SubmitResult(outcome="silenced", kind=new.kind), None
        counts.warned[new.sender] += 1
        request_id, notice = new_request_id(), replace(refused(new, refusal), kind="too_fast")
        received = SubmitResult(outcome="refused", kind="too_fast", request_id=request_id, refusal=refusal)
        return received, NewRow(request_id=request_id, new=notice)

    def _accept_command(self, arrival: RequestContext, command: Command, *, only_if_allowed: bool) -> SubmitResult:
        with self._database.write() as connection:
            at = self._database.enter(connection)
            choices = self._preferences.choices(connection, [arrival.sender])
            new = self._planning.of_command(arrival, command, choices)
            if is_known(connection, new.dedup_key):
                return SubmitResult(outcome="repeated", kind=new.kind)
            if command.name != TO_ADMIN:
                recent = count_recent(connection, new.sender, at=at)
                too_fast = self._over_rate(new, recent, only_if_allowed=only_if_allowed)
                if too_fast is not None:
                    received, notice = too_fast
                    self._acceptances.add(connection, [notice] if notice else [], at=at)
                    return received
            request_id = new_request_id()
            self._acceptances.add(connection, [NewRow(request_id=request_id, new=new)], at=at)
            refusal = self._commands.perform(connection, request_id, arrival, new.content)
            if refusal is not None:
                self._acceptances.change(connection, request_id, refused(new, refusal))
        outcome: Outcome = "refused" if refusal else "accepted"
        return SubmitResult(outcome=outcome, kind=new.kind, request_id=request_id, refusal=refusal)

    def _repeated(self, arrival: RequestContext, command: Command) -> tuple[RequestContext, ParsedMessage]:
        """The sender's last prompt in this chat, with the options that were typed now over those of then.

        What was paid for and has not arrived is downloaded again instead, unless other options are asked for.
        """
        with self._database.read() as connection:
            last = last_asked(connection, sender=arrival.sender, chat_id=arrival.chat_id)
            if last is None:
                return arrival, UserError(sentence="misread.nothing_to_repeat")
            free = not command.options.given and is_free_to_repeat(self._database, connection, last["request_id"])
        if free:
            return arrival, Command(name="redownload", argument=last["request_id"])
        ask = ImagePrompt(prompt=last["raw_prompt"], options=repeat_options(read_options(last), command.options))
        return replace(arrival, source=source_of(last)), ask


def _unless_recalled(prompt: _Prompt, recalled: Collection[str]) -> _Prompt:
    """The prompt, or the fault that its text is gone: its message was recalled since the text was read."""
    if prompt.arrival.source not in recalled:
        return prompt
    return replace(prompt, ask=UserError(sentence="misread.nothing_to_repeat"))
