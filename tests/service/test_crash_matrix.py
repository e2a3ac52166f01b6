"""A bot killed at each side effect and each commit of its work ends every message with one answer.

The steps are found by walking: the conversation is held once undisturbed, and the bot tells what it does. A prompt is
killed before each step on SQLite and after each on PostgreSQL, since the state after one is the state before the next.
The other conversations are killed likewise at the steps that none before them has taken. Two commits are met in none
of them: ``show_again``, which only a process makes that has lost its lease (see ``test_crashes.py``), and ``refresh``,
which marks the cards of a line as behind and is made again at the next look.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import update

from bot.db.database import Database, read_url
from bot.db.reports import is_idle
from bot.db.tables import timers
from bot.errors import DatabaseUnavailable
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.state import ChatMessage
from bot.sandbox.glm.stand_in import GlmStandIn
from tests.conftest import ENGINES
from tests.support.bot_process import PACE, BotProcess, Cluster, KillPoint, Side, Step
from tests.support.builders import change, count_rows
from tests.support.databases import postgres_database, sqlite_database
from tests.support.dsl import CATALOGUE, DEADLINE, REDELIVERY, all_strings, card_actions, header_color, is_final
from tests.support.pictures import draw_once
from tests.support.waiting import wait_until

CHAT, PERSON = "oc_direct_lin", "ou_lin"

LATER = "一只灰猫"  # what somebody else asks for when all is over

POST = "POST /api/paas/v4/images/generations"
INTENT, MADE = "commit generations.claim_slot", "commit generations.made"
"""The commits between which a call may have been paid for without the database knowing its outcome."""

REFUSED = {"commit generations.push_back", "commit generations.fail"}  # the commits that say that a call made no image

AFTER_MADE = {INTENT, "GET /:picture"}  # what is begun when the URL is stored

QUICK = replace(PACE, backoff=0.05, backoff_longest=0.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialogue:
    """One message and what follows it.

    ``feishu`` and ``glm`` are the faults that are armed before: name, call, and how often (``None``: always). ``ends``
    is what may be in the chat in the end, first what is there when nothing was killed: a fault that is met once
    may have been met before the kill. ``posts`` and ``images`` are the calls to GLM and the images shown without a
    kill. ``patient`` generations wait after a refusal until the person has acted. ``before`` is a kill that came first.
    """

    name: str
    text: str = "一只橘猫"
    feishu: tuple[tuple[str, str, int | None], ...] = ()
    glm: tuple[tuple[str, int], ...] = ()
    acts: tuple[Act, ...] = ()
    ends: tuple[tuple[str, ...], ...] = (("green",),)
    posts: int = 1
    images: int = 1
    patient: bool = False
    before: KillPoint | None = None


@dataclass(slots=True)
class Scene:
    """The platforms, the database, and how far a conversation has come, which begins with the first look at it.

    ``in_vain`` counts the presses that nobody answered.
    """

    dialogue: Dialogue
    cluster: Cluster
    database: Database
    acts: deque[Act] = field(init=False)
    in_vain: int = 0

    def __post_init__(self) -> None:
        self.acts = deque(self.dialogue.acts)
        for name, on, times in self.dialogue.feishu:
            self.cluster.feishu.faults.arm(name, on=on, times=times)
        for name, times in self.dialogue.glm:
            self.cluster.glm.arm(name, times=times)

    @property
    def said(self) -> ChatMessage:
        """The message with which the conversation begins; it is sent when it is first looked at."""
        feishu = self.cluster.feishu
        found = [one for one in feishu.messages if one.sender == PERSON]
        return found[0] if found else feishu.say(chat_id=CHAT, sender=PERSON, text=self.dialogue.text)

    @property
    def sent(self) -> list[ChatMessage]:
        """What the bot has sent into the chat, as it is now."""
        feishu = self.cluster.feishu
        return [one for one in feishu.messages if one.chat_id == CHAT and one.sender == feishu.app_id]

    @property
    def seen(self) -> tuple[str, ...]:
        """The colors of the cards in the chat, and the kinds of the other messages, oldest first."""
        return tuple(header_color(one) or "" if one.msg_type == "interactive" else one.msg_type for one in self.sent)

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
            every=0.03,
        )
        return self._ended()

    def _ended(self) -> bool:
        assert self.said
        while self.acts and self.acts[0](self):
            self.acts.popleft()
        if self.acts or self.seen not in self._ends:
            return False
        # A read that took longer than the database allows a transaction, on a busy machine, is made again.
        with suppress(DatabaseUnavailable):
            return bool(count_rows(self.database)) and is_idle(self.database)
        return False

    @property
    def _ends(self) -> set[tuple[str, ...]]:
        # A press that was taken, but not answered in time, is pressed again.
        again = {(*end, end[-1]) for end in self.dialogue.ends if self.in_vain and len(end) > 1}
        return {*self.dialogue.ends, *again}

    def ask_later(self) -> bool:
        """Another user's prompt, with which nothing goes wrong; tells whether its card comes."""
        feishu = self.cluster.feishu
        feishu.faults.disarm()
        self.cluster.glm.disarm()
        change(self.database, update(timers).values(next_at=0.0))
        said = self.cluster.say(LATER, person="chen")
        return wait_until(lambda: is_final(feishu, said), seconds=3 * DEADLINE)

    def faults(self, *, hidden: bool) -> Iterator[str]:
        """What is not as it should be; ``hidden`` tells whether a kill may have hidden the outcome of a call."""
        plan, glm = self.dialogue, self.cluster.glm
        posts = sum(call.body["prompt"] != LATER for call in glm.calls)
        if self.seen not in self._ends:
            yield f"the chat shows {self.seen}"
        most = plan.posts + hidden + (plan.before is not None)
        if not plan.posts <= posts <= most:
            yield f"{posts} calls, {plan.posts} to {most} allowed"
        shown = set(all_strings([json.loads(one.content) for one in self.sent]))
        images = len(shown & self.cluster.feishu.state.image_keys())
        # A refusal that the kill has hidden is not met again.
        if images != plan.images and not (hidden and self.seen == ("green",)):
            yield f"{images} images are shown"
        if posts > plan.posts and CATALOGUE.text("note.repeated", "zh") not in " ".join(shown):
            yield "the second call is not told"
        if glm.working:
            yield "two calls at once"
        # A refusal before any work is given back to the budget.
        counted, billable = self.cluster.spent(), sum(call.fault != "glm_1302" for call in glm.calls)
        # A call that was about to be sent is charged, too: nobody can tell it from one that was sent.
        if not billable <= counted <= billable + hidden:
            yield f"{counted} calls charged, {billable} may be billed"


Act = Callable[[Scene], bool]  # something that the person does as soon as it can be done; tells whether that was so


def recall(scene: Scene) -> bool:
    """Takes the message back once its image was refused, which Feishu tells until it is heard."""
    if not any(call.status for call in scene.cluster.glm.calls):
        return False
    scene.cluster.feishu.recall(scene.said.message_id, by=PERSON)
    return True


def press(scene: Scene, *, action: str, on: str) -> bool:
    """Presses a button of the card when it has this color, and again when the client says that nobody answered."""
    if scene.seen[:1] != (on,):
        # Nobody answered the last press, but it was taken.
        return scene.in_vain > 0
    feishu, card = scene.cluster.feishu, scene.sent[0]
    buttons = [one for one in card_actions(feishu, card.message_id) if one.value.get("a") == action]
    answer = feishu.press(card.message_id, PERSON, value=buttons[0].value)
    scene.in_vain += answer.code is not None
    return answer.code is None


@contextmanager
def fresh_database(engine: str, folder: Path, *, empty: bool) -> Iterator[str]:
    """The URL of a database, without its schema when ``empty``."""
    if engine == "postgres":
        with postgres_database(empty=empty) as url:
            yield url
    else:
        yield f"sqlite:///{folder / 'bot.db'}" if empty else sqlite_database(folder)


@contextmanager
def scene_of(dialogue: Dialogue, engine: str, folder: Path, *, empty: bool = False) -> Iterator[Scene]:
    """A conversation that is about to begin, or has come to its first kill, with quick platforms."""
    pace = replace(QUICK, backoff=600.0, backoff_longest=600.0) if dialogue.patient else QUICK
    with (
        fresh_database(engine, folder, empty=empty) as url,
        FeishuStandIn(delivery=REDELIVERY) as feishu,
        GlmStandIn(seconds=0.05, draw=draw_once) as glm,
        closing(Database(read_url(url), connections=2)) as database,
        Cluster(folder=folder, url=url, feishu=feishu, glm=glm, pace=pace, record=True) as cluster,
    ):
        scene = Scene(dialogue, cluster, database)
        if dialogue.before:
            scene.go_on(scene.serve(kill=dialogue.before), kill=dialogue.before)
        yield scene


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


BUSY = (("glm_1302", 1),)

A_PROMPT = Dialogue(name="a prompt")

OTHERS = (
    Dialogue(name="the card is refused", feishu=(("card_bad", "reply", 1),), ends=(("image", "text"), ("green",))),
    Dialogue(name="the card stays", feishu=(("patch_too_old", "patch", None),), ends=(("wathet", "image", "text"),)),
    Dialogue(name="the message is gone", feishu=(("recalled", "reply", None),)),
    Dialogue(name="nobody is there", feishu=(("not_in_group", "reply", None),), ends=((),), posts=0, images=0),
    Dialogue(name="the gateway's limit", feishu=(("rate_gateway", "reply", 1),)),
    Dialogue(name="the upload fails once", feishu=(("html_502", "image", 1),)),
    Dialogue(name="GLM is at its limit", glm=BUSY, posts=2),
    Dialogue(name="GLM refuses the prompt", glm=(("glm_1301", 1),), ends=(("red",), ("green",)), images=0),
    Dialogue(name="two images", text="一只橘猫 /n 2", posts=2, images=2),
    Dialogue(name="a command", text="/help", ends=(("blue",),), posts=0, images=0),
    Dialogue(name="the message is taken back", glm=BUSY, acts=(recall,), ends=(("grey",),), images=0, patient=True),
    Dialogue(
        name="it is cancelled",
        glm=BUSY,
        acts=(partial(press, action="cancel", on="blue"),),
        ends=(("grey",),),
        images=0,
        patient=True,
    ),
    Dialogue(
        name="the original is wanted", acts=(partial(press, action="original", on="green"),), ends=(("green", "file"),)
    ),
    Dialogue(name="a call was hidden", before=KillPoint(step=Step(POST, 1), side="after")),
)


AT_ONCE = 4  # conversations that are held at the same time

SCHEMA_MADE = "commit schema.migrate"  # the step before which a database is empty

EXPECTED = {
    "POST /open-apis/auth/v3/tenant_access_token/internal",
    "GET /open-apis/bot/v3/info",
    "POST /api/paas/v4/images/generations",
    "GET /:picture",
    "POST /open-apis/im/v1/images",
    "POST /open-apis/im/v1/files",
    "PATCH /open-apis/im/v1/messages/:id",
    "POST /open-apis/im/v1/messages interactive",
    *(f"POST /open-apis/im/v1/messages/:id/reply {kind}" for kind in ("interactive", "image", "text", "file")),
    *(f"commit generations.{name}" for name in ("claim_slot", "made", "claim_made", "keep", "done", "postpone")),
    *(f"commit generations.{name}" for name in ("push_back", "fail", "recover_lost_calls")),
    *(f"commit requests.{name}" for name in ("accept_prompts", "accept_command", "claim", "reserve", "change")),
    *(f"commit requests.{name}" for name in ("mark_published", "record_send", "give_up", "hold", "postpone")),
    "commit key_value.put",
    "commit cancellation.cancel_recalled",
    "commit card_actions.cancel",
    "commit originals.store_file_key",
}
"""The steps that the conversations must take together; one that is not seen any more is not tested any more."""

SIDES: dict[str, Side] = {"sqlite": "before", "postgres": "after"}


@pytest.mark.parametrize("engine", ENGINES)
def test_a_kill_at_any_step_leads_to_one_reply(engine: str, tmp_path: Path) -> None:
    """Killed at any step of a prompt and started again, the bot replies once and pays at most once more."""
    steps = walk(A_PROMPT, engine, tmp_path / "walk", empty=True)
    assert SCHEMA_MADE in {step.name for step in steps}
    assert faults_of([(A_PROMPT, step) for step in steps], engine, tmp_path) == []


@pytest.mark.parametrize("engine", ENGINES)
def test_a_kill_in_any_other_conversation_leads_to_its_end(engine: str, tmp_path: Path) -> None:
    """Killed in what is refused, waits, fails, is cancelled or only asked, the bot brings it to the same end."""
    dialogues = (A_PROMPT, *OTHERS)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        folders = [tmp_path / f"walk{place}" for place in range(len(dialogues))]
        walks = list(pool.map(lambda one, folder: walk(one, engine, folder), dialogues, folders))
    assert EXPECTED - {step.name for steps in walks for step in steps} == set()
    known, kills = set(walks[0]), []
    for dialogue, steps in zip(OTHERS, walks[1:], strict=True):
        kills += [(dialogue, step) for step in steps if step not in known]
        known.update(steps)
    assert faults_of(kills, engine, tmp_path) == []


def walk(dialogue: Dialogue, engine: str, folder: Path, *, empty: bool = False) -> list[Step]:
    """The steps of one undisturbed run, from the start to the end of the conversation, in their order."""
    with scene_of(dialogue, engine, folder, empty=empty) as scene:
        process = scene.serve()
        assert scene.go_on(process), f"{dialogue.name}: {scene.seen}"
        assert scene.seen == dialogue.ends[0]
        return process.recorded


def faults_of(kills: list[tuple[Dialogue, Step]], engine: str, folder: Path) -> list[str]:
    """What is wrong after the kills."""

    def look(place: int) -> str:
        dialogue, step = kills[place]
        found = live_through(dialogue, KillPoint(step=step, side=SIDES[engine]), engine, folder / f"w{place}")
        return found and f"{dialogue.name} | {step} | {SIDES[engine]} | {found}"

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [found for found in pool.map(look, range(len(kills))) if found]


def live_through(dialogue: Dialogue, kill: KillPoint, engine: str, folder: Path) -> str:
    """One conversation, one kill, one restart, and somebody else's prompt; tells what is wrong then."""
    with scene_of(dialogue, engine, folder, empty=kill.step.name == SCHEMA_MADE) as scene:
        process = scene.serve(kill=kill)
        over = scene.go_on(process, kill=kill)
        reached, recorded = not process.alive, process.recorded[:]
        process.kill()
        faults = [] if scene.go_on(scene.serve()) else ["it has no end"]
        faults += [] if scene.ask_later() else ["the next prompt has no end"]
        faults += scene.faults(hidden=outcome_hidden(kill, recorded))
        # A run that showed a state more, or was interrupted, has a step more than another.
        passed = over and kill.step.number > 1 and kill.step not in recorded
        return "; ".join(faults if reached or passed else [*faults, "not reached"])
