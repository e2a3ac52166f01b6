"""Accepts requests, each in one transaction: stored with its generations, or with the error that rejects it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

from sqlalchemy.exc import SQLAlchemyError

from bot.chat.styles import Styles, apply
from bot.db.database import Database
from bot.db.generations import is_free_to_repeat
from bot.db.key_value import Defaults, Preferences
from bot.db.lookups import (
    find_duplicates,
    find_request,
    known_keys,
    last_language,
    last_prompt,
    recalled_among,
    store_content,
)
from bot.db.requests import insert_requests
from bot.db.tables import Kind, NewRequest, log_ids, read_content, source_of
from bot.db.usage import QuotaUsage, count_recent
from bot.errors import UserError
from bot.logs import bind_ids, get_logger
from bot.models import Command, ImagePrompt, Language, ParsedMessage, fields_of
from bot.options import repeat_options, resolve_options
from bot.service.commands import Commands
from bot.service.group_commit import GroupCommit
from bot.service.quotas import Limits

log = get_logger(__name__)

TO_ADMIN = "notice"
"""The command behind the bot's own messages to admins, which no rate limit applies to."""

_KINDS: Mapping[str, Kind] = {
    **{name: name for name in ("help", "not_allowed", "unreadable", "thanks", "original")},
    "export": "original",
}

_GONE = UserError(sentence="misread.nothing_to_repeat")


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitResult:
    """What became of a request; ``request_id`` is ``None`` where none was stored, ``error`` is why it was rejected.

    It is ``repeated`` when the same event was delivered again, ``duplicate`` when a person did the same thing again.
    """

    outcome: Literal["accepted", "repeated", "duplicate", "rejected", "silenced"]
    kind: Kind
    request_id: str | None = None
    error: UserError | None = None
    price: float = 0.0
    """Yuan for the images that it will be, where it is accepted."""


_Decision = tuple[SubmitResult, NewRequest | None]
"""What becomes of a request, and what is to be stored of it."""


class _Prompt(NamedTuple):
    new: NewRequest
    prompt: ImagePrompt | UserError
    store_rejected: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Admission:
    """What the prompts of one transaction are decided by, kept up to date from one to the next."""

    known: set[str]
    duplicates: dict[str, str]
    counts: QuotaUsage

    def add(self, new: NewRequest) -> None:
        """Counts a request that is stored, whatever it asks for."""
        self.known.add(new.dedup_key)
        self.counts.recent[new.sender] += 1


@dataclass(kw_only=True)
class RequestService:
    """Accepts requests.

    Prompts that come at the same moment are accepted in one transaction, and so wait for the disk once. A command has
    one of its own, since a worker may hold what it changes for a moment. ``on_result`` is called with the kind and the
    outcome of each request.
    """

    database: Database
    limits: Limits
    preferences: Preferences
    commands: Commands
    styles: Styles
    may_drop_watermark: bool
    log_prompts: bool = False
    on_result: Callable[[str, str], None] = lambda _kind, _outcome: None
    _group: GroupCommit[_Prompt, SubmitResult] = field(init=False)

    def __post_init__(self) -> None:
        # Text that no database takes is a ValueError, or the driver's own.
        self._group = GroupCommit(self._commit_prompts, per_item_errors=(ValueError, SQLAlchemyError))

    def submit(
        self, new: NewRequest, message: ParsedMessage, *, ask: bool = False, store_rejected: bool = True
    ) -> SubmitResult:
        """Stores a request for a message, unless one with the same ``dedup_key`` is there.

        If ``ask``, a card asks before images are made. Without ``store_rejected`` nothing is stored of a rejected
        request: the caller alone answers it.

        Raises:
            DatabaseUnavailable: nothing was stored.
        """
        if isinstance(message, Command) and message.name == "again":
            new, message = self._again(new, message)
        if ask and isinstance(message, ImagePrompt):
            message = Command(name="confirm", argument=message.prompt, options=message.options)
        if isinstance(message, Command):
            result = self._submit_command(new, message, store_rejected=store_rejected)
        else:
            result = self._group.submit(_Prompt(new, message, store_rejected))
        with bind_ids(**log_ids(result.request_id, new.dedup_key)):
            log.info("request", outcome=result.outcome, kind=result.kind)
            if self.log_prompts and isinstance(message, ImagePrompt) and result.outcome != "repeated":
                log.info("request prompt", prompt=message.prompt)
        self.on_result(result.kind, result.outcome)
        return result

    def language_of(self, sender: str) -> Language | None:
        """The language that a sender has chosen, else that of their last message; ``None`` before the first."""
        with self.database.read() as connection:
            chosen = self.preferences.read(connection, sender).language(sender)
            return chosen or last_language(connection, sender=sender)

    def _commit_prompts(self, prompts: Sequence[_Prompt]) -> list[SubmitResult]:
        new, month = [one.new for one in prompts], self.limits.periods.month()
        with self.database.write(step="requests.accept_prompts") as connection:
            at = self.database.lock_admissions(connection)
            found = _Admission(
                known=known_keys(connection, [one.dedup_key for one in new]),
                duplicates=find_duplicates(connection, new, at=at),
                counts=self.limits.count(connection, ((one.sender, one.chat_id) for one in new), at=at),
            )
            recalled = recalled_among(connection, {one.source for one in new if one.source})
            defaults = self.preferences.read(connection, *{who for one in new for who in (one.sender, one.chat_id)})
            decisions = []
            for one in prompts:
                prompt = _GONE if one.new.source in recalled else one.prompt
                drafted, error = self._draft(one.new, prompt, defaults)
                decisions.append(self._admit(one._replace(new=drafted, prompt=error or prompt), found))
            insert_requests(self.database, connection, [row for _, row in decisions if row], at=at, month=month)
        return [result for result, _ in decisions]

    def _draft(
        self, new: NewRequest, prompt: ImagePrompt | UserError, defaults: Defaults
    ) -> tuple[NewRequest, UserError | None]:
        """The request for the images of a prompt, with the defaults of sender and chat, and why it is rejected."""
        new = replace(new, language=defaults.language(new.sender) or new.language)
        if isinstance(prompt, UserError):
            return replace(new, kind="rejected"), prompt
        options = resolve_options(
            prompt.options,
            defaults=defaults.options(person=new.sender, chat=new.chat_id),
            may_drop_watermark=self.may_drop_watermark,
            styles=self.styles,
        )
        if isinstance(options, UserError):
            offer = options.offer and {**options.offer, "prompt": prompt.prompt}
            return replace(new, kind="rejected"), replace(options, offer=offer)
        style = self.styles.find(options.style) if options.style is not None else None
        text = prompt.prompt if style is None else apply(prompt.prompt, style)
        content = {**new.content, **fields_of(options)}
        return replace(new, kind="images", content=content, prompt=text, raw_prompt=prompt.prompt), None

    def _admit(self, asked: _Prompt, found: _Admission) -> _Decision:
        """Decides about a request, in order of acceptance."""
        new, counts, store_rejected = asked.new, found.counts, asked.store_rejected
        price = self.limits.price(new.options) if new.kind == "images" else 0.0
        if new.dedup_key in found.known:
            return SubmitResult(outcome="repeated", kind=new.kind, price=price), None
        too_fast = self._check_rate(new, counts, store_rejected=store_rejected)
        if too_fast is not None:
            found.known.add(new.dedup_key)
            return too_fast
        if isinstance(asked.prompt, ImagePrompt) and new.fingerprint in found.duplicates:
            return _duplicate(new, asked.prompt, found, store=store_rejected)
        if isinstance(asked.prompt, UserError):
            error: UserError | None = asked.prompt
        else:
            error = self.limits.check(counts, new)
        if error is not None and not store_rejected:
            return SubmitResult(outcome="rejected", kind=new.kind, error=error), None
        found.add(new)
        if error is not None:
            rejected = SubmitResult(outcome="rejected", kind=new.kind, request_id=new.request_id, error=error)
            return rejected, _rejected(new, error)
        counts.add(new.sender, new.chat_id, new.options)
        if new.fingerprint:
            found.duplicates[new.fingerprint] = new.request_id
        return SubmitResult(outcome="accepted", kind=new.kind, request_id=new.request_id, price=price), new

    def _check_rate(self, new: NewRequest, counts: QuotaUsage, *, store_rejected: bool) -> _Decision | None:
        """What becomes of what a sender sends too fast: one notice, then nothing; ``None`` where they do not."""
        error = self.limits.check_rate(counts, new.sender)
        if error is None:
            return None
        if not store_rejected:
            return SubmitResult(outcome="rejected", kind=new.kind, error=error), None
        if counts.warned[new.sender]:
            return SubmitResult(outcome="silenced", kind=new.kind), None
        counts.warned[new.sender] += 1
        notice = replace(_rejected(new, error), kind="too_fast")
        return SubmitResult(outcome="rejected", kind=notice.kind, request_id=new.request_id, error=error), notice

    def _submit_command(self, new: NewRequest, command: Command, *, store_rejected: bool) -> SubmitResult:
        content = {"name": command.name, "argument": command.argument, "options": command.options.given}
        with self.database.write(step="requests.accept_command") as connection:
            at = self.database.lock_admissions(connection)
            language = self.preferences.read(connection, new.sender).language(new.sender) or new.language
            new = replace(new, language=language, kind=_KINDS.get(command.name, "command"), content=content)
            if known_keys(connection, [new.dedup_key]):
                return SubmitResult(outcome="repeated", kind=new.kind)
            if not store_rejected and find_duplicates(connection, [new], at=at):
                return SubmitResult(outcome="duplicate", kind=new.kind)
            if command.name != TO_ADMIN:
                recent = count_recent(connection, [new.sender], at=at)
                too_fast = self._check_rate(new, recent, store_rejected=store_rejected)
                if too_fast is not None:
                    result, notice = too_fast
                    insert_requests(self.database, connection, [notice] if notice else [], at=at)
                    return result
            insert_requests(self.database, connection, [new], at=at)
            error = self.commands.perform(connection, new)
            if error is not None:
                rejected = _rejected(new, error)
                store_content(connection, new.request_id, rejected.content, kind=rejected.kind)
        outcome: Literal["accepted", "rejected"] = "rejected" if error else "accepted"
        return SubmitResult(outcome=outcome, kind=new.kind, request_id=new.request_id, error=error)

    def _again(self, new: NewRequest, command: Command) -> tuple[NewRequest, ParsedMessage]:
        """The prompt that is referred to, or the sender's last one in this chat, with the new options over its own.

        What was paid for and has not arrived is downloaded again instead, unless other options are asked for.
        """
        with self.database.read() as connection:
            if command.argument:
                last = find_request(connection, command.argument)
            else:
                last = last_prompt(connection, sender=new.sender, chat_id=new.chat_id)
            if last is None or not last["raw_prompt"]:
                return new, _GONE
            free = not command.options.given and is_free_to_repeat(self.database, connection, last["request_id"])
        if free:
            return new, Command(name="redownload", argument=last["request_id"])
        options = repeat_options(read_content(last), command.options)
        return replace(new, source=source_of(last)), ImagePrompt(prompt=last["raw_prompt"], options=options)


def _duplicate(new: NewRequest, prompt: ImagePrompt, found: _Admission, *, store: bool) -> _Decision:
    """Makes nothing of what a person has asked for just now; where it is stored, a card offers to draw it once more."""
    if not store:
        return SubmitResult(outcome="duplicate", kind=new.kind), None
    found.add(new)
    first = found.duplicates[new.fingerprint or ""]
    offered = {"prompt": prompt.prompt, "options": prompt.options.given}
    content = {"name": "duplicate", "argument": first, "offer": offered}
    offer = replace(new, kind="command", content=content, prompt="", raw_prompt="", fingerprint=None)
    return SubmitResult(outcome="duplicate", kind=offer.kind, request_id=new.request_id), offer


def _rejected(new: NewRequest, error: UserError) -> NewRequest:
    """The request that is answered with an error in place of what it asked for."""
    command = new.content.get("name", error.command) if new.kind == "command" else error.command
    content: dict[str, Any] = {"sentence": error.sentence, "values": dict(error.values), "command": command}
    if error.offer and "prompt" in error.offer:
        content["offer"] = error.offer
    return replace(new, kind="rejected", content=content, fingerprint=None)
