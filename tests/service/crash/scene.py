"""A conversation with a bot that is killed, started again on the same database, and asked once more."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from sqlalchemy import func, select, update

from bot.db.database import Database, read_url
from bot.db.tables import FEISHU_CALLS, generations, monthly_usage, requests, timers
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.glm.stand_in import GlmCall, GlmStandIn
from bot.timings import DownloadRetries, Timings
from tests.service.crash.conversations import CHAT, PERSON, Dialogue, Stage
from tests.support.bot_process import BotProcess, KillPoint, ProcessSpec, Step
from tests.support.dsl import CATALOGUE, DEADLINE, REDELIVERY, all_strings, is_final, variables_for

PACE = Timings(
    lease=30.0,
    beat=0.2,
    poll=0.05,
    backoff=0.05,
    backoff_longest=0.1,
    resend=0.02,
    resend_longest=0.1,
    download=DownloadRetries(first_wait=0.01),
)
"""Everything is quick but the lease: what a killed process held is taken over without waiting for it."""

LATER = "一只灰猫"
"""What somebody else asks for when all is over."""

UNBILLED = {"glm_1302"}
"""Refusals before any work, which the budget gets back."""

REPEATED = CATALOGUE.text("note.repeated", "zh")

INTENT, MADE = "commit generations.claim_slot", "commit generations.made"
"""The commits between which a call may have been paid for without the database knowing its outcome."""

REFUSED = {"commit generations.push_back", "commit generations.fail"}
"""The commits that say that a call made no picture."""

AFTER_MADE = {INTENT, "GET /:picture"}
"""What is begun when the URL is stored."""


class Scene:
    """The platforms, the database, and how far a conversation has come."""

    def __init__(
        self, conversation: Dialogue, *, feishu: FeishuStandIn, glm: GlmStandIn, url: str, folder: Path
    ) -> None:
        variables = {**variables_for(feishu, folder=folder), "DATABASE_URL": url}
        pace = replace(PACE, backoff=30.0, backoff_longest=30.0) if conversation.patient else PACE
        self.start = ProcessSpec(variables=variables, glm=glm.origin, pace=pace, record=True)
        self.url = url
        self._conversation = conversation
        self._feishu = feishu
        self._glm = glm
        self._acts = deque(conversation.acts)
        self._stage: Stage | None = None
        for name, on, times in conversation.feishu:
            feishu.faults.arm(name, on=on, times=times)
        for name, times in conversation.glm:
            glm.arm(name, times=times)

    @property
    def stage(self) -> Stage:
        """The conversation, which begins with the first look at it."""
        if self._stage is None:
            said = self._feishu.say(chat_id=CHAT, sender=PERSON, text=self._conversation.text)
            self._stage = Stage(self._feishu, self._glm, said)
        return self._stage

    @property
    def calls(self) -> list[GlmCall]:
        """The calls to GLM that the conversation led to."""
        return [call for call in list(self._glm.calls) if call.body["prompt"] != LATER]

    def go_on(self, process: BotProcess, *, strike: KillPoint | None = None) -> bool:
        """Goes on until the end, or until the process is dead, for which it waits once it has come to its strike.

        Returns:
            Whether the conversation has come to its end.
        """
        self._feishu.webhook_url = process.webhook
        self._feishu.wait_for(
            lambda _: not process.alive or (self._ended() and not (strike and strike.step in process.recorded)),
            seconds=DEADLINE,
        )
        return self._ended()

    def _ended(self) -> bool:
        while self._acts and self._acts[0](self.stage):
            self._acts.popleft()
        return not self._acts and self.stage.seen in self._ends and is_idle(self.url)

    @property
    def _ends(self) -> set[tuple[str, ...]]:
        # A press that was taken, but not answered in time, is pressed again.
        again = {(*end, end[-1]) for end in self._conversation.ends if self.stage.in_vain and len(end) > 1}
        return {*self._conversation.ends, *again}

    def ask_later(self) -> list[str]:
        """Another user's prompt, with which nothing goes wrong; names the fault when its card does not come."""
        self._feishu.faults.disarm()
        self._glm.disarm()
        let_go(self.url)
        said = self._feishu.say(chat_id="oc_direct_chen", sender="ou_chen", text=LATER)
        in_time = self._feishu.wait_for(lambda _: is_final(self._feishu, said), seconds=DEADLINE)
        return [] if in_time else ["the next prompt has no end"]

    def faults(self, *, hidden: bool) -> list[str]:
        """What is not as it should be; ``hidden`` tells whether a kill may have hidden the outcome of a call."""
        plan, posts = self._conversation, len(self.calls)
        most = plan.posts + hidden + (plan.before is not None)
        faults = [] if self.stage.seen in self._ends else [f"the chat shows {self.stage.seen}"]
        faults += [] if plan.posts <= posts <= most else [f"{posts} calls, {plan.posts} to {most} allowed"]
        shown = set(all_strings([json.loads(one.content) for one in self.stage.sent]))
        pictures = len(shown & self._feishu.state.image_keys())
        # A refusal that the kill has hidden is not met again.
        right = pictures == plan.pictures or (hidden and self.stage.seen == ("green",))
        faults += [] if right else [f"{pictures} pictures are shown"]
        faults += ["the second call is not told"] if posts > plan.posts and REPEATED not in " ".join(shown) else []
        return faults + (["two calls at once"] if self._glm.working else []) + self._budget_faults(hidden=hidden)

    def _budget_faults(self, *, hidden: bool) -> list[str]:
        counted, billable = count_spent(self.url), sum(call.fault not in UNBILLED for call in self._glm.calls)
        # A call that was about to be sent is charged, too: nobody can tell it from one that was sent.
        right = billable <= counted <= billable + hidden
        return [] if right else [f"{counted} calls charged, {billable} may be billed"]


@contextmanager
def scene_of(conversation: Dialogue, *, url: str, folder: Path) -> Iterator[Scene]:
    """A conversation that is about to begin, with quick platforms."""
    with FeishuStandIn(delivery=REDELIVERY) as feishu, GlmStandIn(seconds=0.05) as glm:
        yield Scene(conversation, feishu=feishu, glm=glm, url=url, folder=folder)


def outcome_hidden(strike: KillPoint, heard: list[Step]) -> bool:
    """Whether the kill may lie between the intent to pay and the stored outcome, so that nobody knows it."""
    intents = [step for step in heard if step.name == INTENT and (step, "before") != (strike.step, strike.side)]
    stored = [place for place, step in enumerate(heard) if _is_stored(step, strike, heard[place + 1 :])]
    return len(intents) > len(stored)


def _is_stored(step: Step, strike: KillPoint, later: list[Step]) -> bool:
    """Whether a commit with the outcome of a call has surely been made."""
    if step.name not in {MADE, *REFUSED}:
        return False
    if step == strike.step:
        return strike.side == "after"
    return any(step.name in REFUSED or one.name in AFTER_MADE for one in later)


def is_idle(url: str) -> bool:
    """Whether there are requests, and all of them and their generations have come to their end."""
    with closing(Database(read_url(url))) as database, database.read() as connection:
        left = [
            connection.scalar(select(func.count()).select_from(table).where(table.c.ended_at.is_(None)))
            for table in (requests, generations)
        ]
        return left == [0, 0] and bool(connection.scalar(select(func.count()).select_from(requests)))


def let_go(url: str) -> None:
    """Ends what the platforms' limits still hold back."""
    with closing(Database(read_url(url))) as database, database.write() as connection:
        connection.execute(update(timers).values(next_at=0.0))


def count_spent(url: str) -> int:
    """How many paid calls the budget holds."""
    with closing(Database(read_url(url))) as database, database.read() as connection:
        return int(
            connection.scalar(select(func.sum(monthly_usage.c.count)).where(monthly_usage.c.name != FEISHU_CALLS)) or 0
        )
