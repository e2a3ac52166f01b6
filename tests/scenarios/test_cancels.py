"""Somebody changes their mind: by command, by the button, by taking the message back."""

from __future__ import annotations

import pytest

from tests.support.dsl import BotUnderTest, Card, Conversation, Gate, toast_text, wait_for


def three_in_line(bot: BotUnderTest, *, kind: str = "p2p") -> tuple[Conversation, list[Card]]:
    """Somebody with one image that is being made and two that wait; gives them and their three cards."""
    user = bot.new_user(kind=kind)
    cards = [user.ask_without_waiting(f"第 {number} 座灯塔") for number in (1, 2, 3)]
    cards[0].wait_to_show("state.generating")
    return user, cards


def test_cancel_command_cancels_all_own_requests(held: BotUnderTest, gate: Gate) -> None:
    """What waits is never paid, what is being made is not shown; a group is not told what was asked for in private."""
    user, cards = three_in_line(held)
    group = user.in_another_chat("group")
    cards.append(group.ask_without_waiting("公开的灯塔"))
    said = group.ask_without_waiting("/cancel")
    said.assert_shows("notice.cancelled.in_call", count=4, in_call=1, price="0.10")
    assert ("公开的灯塔" in said.text(), "座灯塔" in said.text()) == (True, False)
    for card in cards:
        assert card.wait_to_show("state.cancelled").color == "grey"
    gate.release(4)
    held.wait_until_idle()
    assert set(held.paid_prompts) <= {"第 1 座灯塔"}
    assert (len(user.answers), len(group.answers)) == (3, 2)


@pytest.mark.parametrize(("say", "number"), [("取消 2", 2), ("取消刚才那个", 3)])
def test_cancel_one_by_queue_number_or_the_newest(held: BotUnderTest, gate: Gate, say: str, number: int) -> None:
    """A number that nothing has changes nothing."""
    user, cards = three_in_line(held)
    user.ask_without_waiting("/cancel 4").assert_shows("command.no_such_number", number=4, most=3)
    said = user.ask_without_waiting(say)
    said.assert_shows("notice.cancelled.text", count=1)
    assert f"第 {number} 座灯塔" in said.text()
    cards[number - 1].wait_to_show("state.cancelled")
    gate.release(2)
    held.wait_until_idle()
    assert held.paid_prompts == [f"第 {one} 座灯塔" for one in (1, 2, 3) if one != number]


def test_cancel_button_removes_queued_request(held: BotUnderTest, gate: Gate) -> None:
    """Beside the asker only an admin can press it; a second press comes too late, as when the image is there."""
    user, cards = three_in_line(held, kind="group")
    cancel, too_late = (card.button("cancel").value for card in cards[1:])
    other = user.other_user()
    assert cards[1].press_for_toast("cancel", by=other) == toast_text("toast.not_yours")
    other.ask_without_waiting("/cancel").assert_shows("command.nothing_to_cancel")
    assert cards[1].press_for_toast("cancel", by=held.admin(user)) == toast_text("toast.cancelled")
    cards[1].wait_to_show("state.cancelled").assert_shows("button.again")
    assert cards[1].press_raw(cancel) == toast_text("toast.too_late")
    gate.release(2)
    held.wait_until_idle()
    assert held.paid_prompts == ["第 1 座灯塔", "第 3 座灯塔"]
    assert cards[2].press_raw(too_late) == toast_text("toast.too_late")
    assert len(user.answers) == 4


def test_recalled_message_is_not_answered(bot: BotUnderTest, member: Conversation) -> None:
    """While answers wait for Feishu, messages in a group are recalled: nothing is paid for them or said after that."""
    bot.feishu.faults.arm("rate_gateway", on="reply", times=None)
    paid, said = len(bot.glm.calls), [member.send(text) for text in ("一座秘密的灯塔", "/queue", "一座灯塔 /size 7:7")]
    wait_for(lambda: "reply" in {call.name for call in member.calls})
    for message in said:
        member.recall(message)
    bot.feishu.faults.disarm()
    later = member.ask("一座公开的灯塔")
    assert member.answers == [later]
    assert bot.paid_prompts[paid:] == ["一座公开的灯塔"]


def test_image_that_was_cancelled_during_its_call_can_still_be_had(held: BotUnderTest, gate: Gate) -> None:
    """Cancelled while the platform draws, the image comes all the same: the asker gets it for a day, without paying."""
    user = held.new_user(kind="group")
    card = user.ask_without_waiting("一座灯塔")
    wait_for(lambda: gate.calls_waiting)
    deliver = {"a": "deliver", "r": card.button("cancel").value["r"]}
    card.press_for_toast("cancel")
    card.wait_to_show("state.cancelled")
    assert card.press_raw(deliver) == toast_text("toast.not_resumed")
    gate.release()
    assert card.press_raw(deliver, by=user.other_user()) == toast_text("toast.not_yours")
    wait_for(lambda: held.glm.paid and held.idle)
    assert (card.reload().color, "img_key" in card.reload().content, held.glm.downloads) == ("grey", False, [])
    wait_for(lambda: card.press_raw(deliver) == toast_text("toast.resumed"))
    card.wait_until_idle().assert_shows("state.ready")
    assert (len(user.answers), len(held.paid_prompts)) == (1, 1)
    assert card.press_raw(deliver) == toast_text("toast.not_resumed")
