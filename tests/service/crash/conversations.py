"""Conversations in which a bot is killed: what is said and done, what goes wrong, and what is there in the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.state import ChatMessage
from bot.sandbox.glm.stand_in import GlmStandIn
from tests.support.bot_process import KillPoint, Step
from tests.support.dsl import card_actions, header_color

CHAT, PERSON = "oc_direct_lin", "ou_lin"

POST = "POST /api/paas/v4/images/generations"


@dataclass(slots=True)
class Stage:
    """A conversation under way; ``in_vain`` counts the presses that nobody answered."""

    feishu: FeishuStandIn
    glm: GlmStandIn
    said: ChatMessage
    in_vain: int = 0

    @property
    def sent(self) -> list[ChatMessage]:
        """What the bot has sent into the chat, as it is now."""
        return [one for one in self.feishu.messages if one.chat_id == CHAT and one.sender == self.feishu.app_id]

    @property
    def seen(self) -> tuple[str, ...]:
        """The colors of the cards in the chat, and the kinds of the other messages, oldest first."""
        return tuple(header_color(one) or "" if one.msg_type == "interactive" else one.msg_type for one in self.sent)


Act = Callable[[Stage], bool]
"""Something that the person does as soon as it can be done; tells whether that was so."""


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


def recall(stage: Stage) -> bool:
    """Takes the message back once its image was refused, which Feishu tells until it is heard."""
    if not any(call.status for call in stage.glm.calls):
        return False
    stage.feishu.recall(stage.said.message_id, by=PERSON)
    return True


def press(action: str, *, on: str) -> Act:
    """Presses a button of the card when it has this color, and again when the client says that nobody answered."""

    def act(stage: Stage) -> bool:
        if stage.seen[:1] != (on,):
            # Nobody answered the last press, but it was taken.
            return stage.in_vain > 0
        card = stage.sent[0]
        buttons = [one for one in card_actions(stage.feishu, card.message_id) if (one.value or {}).get("a") == action]
        answer = stage.feishu.press(card.message_id, PERSON, value=buttons[0].value)
        stage.in_vain += answer.code is not None
        return answer.code is None

    return act


BUSY = (("glm_1302", 1),)

A_PROMPT = Dialogue(name="a prompt")

OTHERS = (
    Dialogue(name="the card is refused", feishu=(("card_bad", "reply", 1),), ends=(("image", "text"), ("green",))),
    Dialogue(
        name="the card stays",
        feishu=(("patch_too_old", "patch", None),),
        ends=(("wathet", "image", "text"),),
    ),
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
        name="it is cancelled", glm=BUSY, acts=(press("cancel", on="blue"),), ends=(("grey",),), images=0, patient=True
    ),
    Dialogue(name="the original is wanted", acts=(press("original", on="green"),), ends=(("green", "file"),)),
    Dialogue(name="a call was hidden", before=KillPoint(step=Step(POST, 1), side="after")),
)
