"""A conversation with a bot that is killed, started again on the same database, and asked once more."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlalchemy import func, select, update

from bot.db.database import Database, read_url
from bot.db.tables import generations, requests, timers
from bot.errors import DatabaseUnavailable
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.glm.stand_in import GlmCall, GlmStandIn
from tests.service.crash.conversations import CHAT, PERSON, Act, Dialogue, Stage
from tests.support.bot_process import PACE, BotProcess, Cluster, KillPoint, Step
from tests.support.dsl import CATALOGUE, DEADLINE, REDELIVERY, all_strings, is_final
from tests.support.waiting import wait_until

QUICK = replace(PACE, backoff=0.05, backoff_longest=0.1)

LATER = "一只灰猫"
"""What somebody else asks for when all is over."""

UNBILLED = {"glm_1302"}
"""Refusals before any work, which the budget gets back."""

INTENT, MADE = "commit generations.claim_slot", "commit generations.made"
"""The commits between which a call may have been paid for without the database knowing its outcome."""

REFUSED = {"commit generations.push_back", "commit generations.fail"}
"""The commits that say that a call made no image."""

AFTER_MADE = {INTENT, "GET /:picture"}
"""What is begun when the URL is stored."""


@dataclass(slots=True)
class Scene:
    """The platforms, the database, and how far a conversation has come, which begins with the first look at it."""

    dialogue: Dialogue
    cluster: Cluster
    database: Database
    acts: deque[Act] = field(init=False)
    stage: Stage | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.acts = deque(self.dialogue.acts)
        for name, on, times in self.dialogue.feishu:
            self.cluster.feishu.faults.arm(name, on=on, times=times)
        for name, times in self.dialogue.glm:
            self.cluster.glm.arm(name, times=times)

    def look(self) -> Stage:
        """The conversation as it is now."""
        feishu = self.cluster.feishu
        if self.stage is None:
            said = feishu.say(chat_id=CHAT, sender=PERSON, text=self.dialogue.text)
            self.stage = Stage(feishu, self.cluster.glm, said)
        return self.stage

    @property
    def calls(self) -> list[GlmCall]:
        """The calls to GLM that the conversation led to."""
        return [call for call in list(self.cluster.glm.calls) if call.body["prompt"] != LATER]

    def serve(self, *, kill: KillPoint | None = None) -> BotProcess:
        """Starts the process, or starts it again."""
        if not self.cluster.processes:
            return self.cluster.serve(kill=kill)
        process = self.cluster.processes[0]
        process.start(kill=kill)
        self.cluster.feishu.webhook_url = process.webhook
        return process

    def go_on(self, process: BotProcess, *, kill: KillPoint | None = None) -> bool:
        """Goes on until the end, or until the process is dead, for which it waits once it has come to its kill point.

        Returns:
            Whether the conversation has come to its end.
        """
        wait_until(
            lambda: not process.alive or (self._ended() and not (kill and kill.step in process.recorded)),
            seconds=3 * DEADLINE,
        )
        return self._ended()

    def _ended(self) -> bool:
        while self.acts and self.acts[0](self.look()):
            self.acts.popleft()
        return not self.acts and self.look().seen in self._ends and self._is_idle()

    @property
    def _ends(self) -> set[tuple[str, ...]]:
        # A press that was taken, but not answered in time, is pressed again.
        again = {(*end, end[-1]) for end in self.dialogue.ends if self.look().in_vain and len(end) > 1}
        return {*self.dialogue.ends, *again}

    def _is_idle(self) -> bool:
        # A read that took longer than the database allows a transaction, on a busy machine, is made again.
        with suppress(DatabaseUnavailable), self.database.read() as connection:
            left = [
                connection.scalar(select(func.count()).select_from(table).where(table.c.ended_at.is_(None)))
                for table in (requests, generations)
            ]
            return left == [0, 0] and bool(connection.scalar(select(func.count()).select_from(requests)))
        return False

    def ask_later(self) -> bool:
        """Another user's prompt, with which nothing goes wrong; tells whether its card comes."""
        feishu = self.cluster.feishu
        feishu.faults.disarm()
        self.cluster.glm.disarm()
        with self.database.write() as connection:
            connection.execute(update(timers).values(next_at=0.0))
        said = self.cluster.say(LATER, person="chen")
        return wait_until(lambda: is_final(feishu, said), seconds=3 * DEADLINE)

    def faults(self, *, hidden: bool) -> Iterator[str]:
        """What is not as it should be; ``hidden`` tells whether a kill may have hidden the outcome of a call."""
        plan, stage, posts = self.dialogue, self.look(), len(self.calls)
        if stage.seen not in self._ends:
            yield f"the chat shows {stage.seen}"
        most = plan.posts + hidden + (plan.before is not None)
        if not plan.posts <= posts <= most:
            yield f"{posts} calls, {plan.posts} to {most} allowed"
        shown = set(all_strings([json.loads(one.content) for one in stage.sent]))
        images = len(shown & self.cluster.feishu.state.image_keys())
        # A refusal that the kill has hidden is not met again.
        if images != plan.images and not (hidden and stage.seen == ("green",)):
            yield f"{images} images are shown"
        if posts > plan.posts and CATALOGUE.text("note.repeated", "zh") not in " ".join(shown):
            yield "the second call is not told"
        if self.cluster.glm.working:
            yield "two calls at once"
        counted, billable = self.cluster.spent(), sum(call.fault not in UNBILLED for call in self.cluster.glm.calls)
        # A call that was about to be sent is charged, too: nobody can tell it from one that was sent.
        if not billable <= counted <= billable + hidden:
            yield f"{counted} calls charged, {billable} may be billed"


@contextmanager
def scene_of(dialogue: Dialogue, *, url: str, folder: Path) -> Iterator[Scene]:
    """A conversation that is about to begin, with quick platforms."""
    pace = replace(QUICK, backoff=600.0, backoff_longest=600.0) if dialogue.patient else QUICK
    with (
        FeishuStandIn(delivery=REDELIVERY) as feishu,
        GlmStandIn(seconds=0.05) as glm,
        closing(Database(read_url(url), connections=2)) as database,
        Cluster(folder=folder, url=url, feishu=feishu, glm=glm, pace=pace, record=True) as cluster,
    ):
        yield Scene(dialogue, cluster, database)


def outcome_hidden(kill: KillPoint, recorded: list[Step]) -> bool:
    """Whether the kill may lie between the intent to pay and the stored outcome, so that nobody knows it."""
    intents = [step for step in recorded if step.name == INTENT and (step, "before") != (kill.step, kill.side)]
    stored = [place for place, step in enumerate(recorded) if _is_stored(step, kill, recorded[place + 1 :])]
    return len(intents) > len(stored)


def _is_stored(step: Step, kill: KillPoint, later: list[Step]) -> bool:
    """Whether a commit with the outcome of a call has surely been made."""
    if step.name not in {MADE, *REFUSED}:
        return False
    if step == kill.step:
        return kill.side == "after"
    return any(step.name in REFUSED or one.name in AFTER_MADE for one in later)
