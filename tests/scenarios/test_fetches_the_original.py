"""Somebody wants the original as a file: from what is kept, from its link, from Feishu's own copy, or it is gone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.sandbox.feishu.world import ChatMessage, Upload
from tests.scenarios.talking import answer_to, bot_with, flash, new_answers, paid_for, pressed, shows
from tests.support.world import Talk, World, colour


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The bot's data folder."""
    return tmp_path


@pytest.fixture
def own(folder: Path) -> Iterator[World]:
    """A bot whose folder of originals a test may empty."""
    with bot_with(folder) as world:
        yield world


def file_of(talk: Talk, message: ChatMessage) -> Upload:
    """The file that a message holds."""
    assert message.msg_type == "file"
    return talk.world.feishu.uploads[json.loads(message.content)["file_key"]]


def lose_the_originals(folder: Path) -> None:
    """Empties the folder of originals."""
    for path in (folder / "originals").iterdir():
        path.unlink()


def test_from_what_is_kept(own: World, folder: Path) -> None:
    """The kept bytes come unchanged, named by what they are, as a reply to the card; nothing is fetched or paid."""
    talk = own.somebody()
    said = talk.say("一座灯塔")
    card = answer_to(talk, said)
    (kept,) = (folder / "originals").iterdir()
    message = pressed(talk, card, "original")
    sent = file_of(talk, message)
    assert message.parent_id == card.message_id
    assert sent.content == kept.read_bytes()
    assert sent.name.endswith(".jpg")
    assert len(own.glm.downloads) == len(paid_for(talk, said)) == 1


def test_from_its_link(own: World, folder: Path) -> None:
    """When the kept bytes are gone, the original is fetched again from its link."""
    talk = own.somebody()
    card = answer_to(talk, "一座灯塔")
    (kept,) = (folder / "originals").iterdir()
    content = kept.read_bytes()
    lose_the_originals(folder)
    assert file_of(talk, pressed(talk, card, "original")).content == content
    assert len(own.glm.downloads) == 2


def test_from_feishus_own_copy(own: World, folder: Path) -> None:
    """When the link has ended as well, the file is Feishu's own copy of the picture."""
    talk = own.somebody()
    card = answer_to(talk, "一座灯塔")
    lose_the_originals(folder)
    own.glm.arm("image_403")
    sent = file_of(talk, pressed(talk, card, "original"))
    (picture,) = (upload for upload in own.feishu.uploads.values() if upload.kind == "image")
    assert sent.content == picture.content
    assert len(own.feishu.calls_named("own_image")) == 1


def test_when_it_is_gone(own: World, folder: Path) -> None:
    """When nobody has it any more, a card says so."""
    talk = own.somebody()
    card = answer_to(talk, "一座灯塔")
    lose_the_originals(folder)
    own.glm.arm("image_403")
    own.feishu.faults.arm("feishu_234005", on="own_image")
    answer = pressed(talk, card, "original")
    assert shows(answer, "notice.original_gone.text")
    assert own.feishu.calls_named("file") == []


@pytest.mark.parametrize("number", [0, 3])
def test_one_of_four(world: World, number: int) -> None:
    """Each of several pictures has a button that sends that one."""
    talk = world.somebody()
    card = answer_to(talk, "一座灯塔 /n 4")
    sent = file_of(talk, pressed(talk, card, "original", number=number))
    pictures = [part["img_key"] for part in json.loads(card.content)["body"]["elements"] if part["tag"] == "img"]
    assert sent.content == world.feishu.uploads[pictures[number]].content


def test_when_feishu_does_not_take_it(world: World) -> None:
    """When Feishu refuses the file, a card says so and what to do."""
    talk = world.somebody()
    card = answer_to(talk, "一座灯塔")
    world.feishu.faults.arm("feishu_234006", on="file")
    assert shows(pressed(talk, card, "original"), "notice.original_refused.text")


def test_it_is_uploaded_once(world: World) -> None:
    """However often its message is sent again, and whoever asks for it later, the file is uploaded once."""
    talk = world.somebody()
    card = answer_to(talk, "一座灯塔")
    world.feishu.faults.arm("feishu_2200", on="reply", times=7)
    first = pressed(talk, card, "original")
    second = pressed(talk, card, "original")
    assert file_of(talk, first) == file_of(talk, second)
    uploads = [call for call in talk.calls if call.name == "file"]
    assert len(uploads) == 1
    assert len([call for call in talk.calls if call.name == "reply"]) == 1 + 8 + 1


def test_two_presses_at_once_upload_it_once(world: World) -> None:
    """Both people get the file of one upload."""
    talk = world.somebody()
    card = answer_to(talk, "一座灯塔")
    before = len(talk.answers)
    for _ in range(4):
        flash(talk, card, "original")
    files = [file_of(talk, message) for message in new_answers(talk, before)]
    assert len(files) == 4
    assert len([call for call in talk.calls if call.name == "file"]) == 1


def test_a_refused_key_is_forgotten(world: World) -> None:
    """When Feishu refuses the message, the file is uploaded again the next time."""
    talk = world.somebody()
    card = answer_to(talk, "一座灯塔")
    world.feishu.faults.arm("feishu_230017", on="reply")
    assert shows(pressed(talk, card, "original"), "notice.original_refused.text")
    assert file_of(talk, pressed(talk, card, "original")).name.endswith(".jpg")


def test_a_cache_that_cannot_be_used_fails_no_image(tmp_path: Path) -> None:
    """Where its folder is something else, images and originals arrive all the same."""
    (tmp_path / "originals").write_text("not a folder")
    with bot_with(tmp_path) as world:
        talk = world.somebody()
        said = talk.say("一座灯塔")
        card = answer_to(talk, said)
        assert colour(card) == "green"
        assert len(paid_for(talk, said)) == 1
        assert file_of(talk, pressed(talk, card, "original")).name.endswith(".jpg")
