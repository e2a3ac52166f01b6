"""What processes of the last version left in the database, in whatever state, is brought to its end by this version."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass

import pytest
from sqlalchemy import select, update

from bot.chat.cards.cards import content
from bot.db.database import Database, read_url
from bot.db.generations import GenerationStore
from bot.db.migrate import migrate
from bot.db.requests import mark_dirty
from bot.db.row_models import Generation
from bot.db.tables import generations, requests
from bot.feishu.client import FeishuClient
from bot.glm.client import Downloader, GlmClient
from bot.models import Failure, ImagePrompt, Options, State
from bot.sandbox.feishu.world import ChatMessage
from bot.worker.card_publisher import send_uuid
from tests.support.cluster import Cluster
from tests.support.dsl import DEADLINE, FAKE_KEY, header_color, posts_of, wait_for
from tests.support.requests import EXPIRED, arrival, reception_of

LAST = "a-host-that-is-gone:1:00000000"
"""The owner's name of a process of the last version, which runs no more."""

OLD_CARD = {"schema": "2.0", "body": {"elements": [{"tag": "markdown", "content": "…"}]}}


@dataclass(frozen=True, slots=True, kw_only=True)
class LastVersion:
    """Does with one prompt what the last version did before it was stopped."""

    cluster: Cluster
    database: Database
    message: ChatMessage
    prompt: str
    feishu: FeishuClient
    glm: GlmClient
    source: Downloader

    @property
    def store(self) -> GenerationStore:
        """Its generations."""
        return GenerationStore(self.database)

    def accept(self) -> None:
        """The message was accepted."""
        received = reception_of(self.database).accept(
            arrival(self.message.message_id, sender="ou_lin", chat=self.message.chat_id),
            ImagePrompt(prompt=self.prompt),
        )
        assert received.outcome == "accepted"

    def answer(self) -> None:
        """Its card was sent."""
        self.accept()
        with self.database.read() as connection:
            request_id = str(connection.scalar(select(requests.c.request_id)))
        answer_id = self.feishu.reply(
            self.message.message_id,
            msg_type="interactive",
            content=content(OLD_CARD),
            uuid=send_uuid(request_id, "card"),
            in_thread=False,
        )
        with self.database.write() as connection:
            values = {"answer_id": answer_id, "published_version": 1, "card_state": "queued", "owner": LAST}
            connection.execute(update(requests).values(values))

    def claim(self) -> Generation:
        """Its paid call was about to be made."""
        self.answer()
        waiting = self.store.next_waiting("glm-image")
        assert waiting is not None
        claimed = self.store.claim_slot(waiting[0], owner=LAST, lease=EXPIRED, slots=1, deadline=60)
        assert claimed is not None
        return claimed

    def make(self) -> Generation:
        """It was paid, and the URL stored."""
        generation = self.claim()
        image = self.glm.generate(self.prompt, options=Options())
        self.store.made(generation, image, owner=LAST, link_ends_at=None)
        return generation

    def keep_original(self) -> Generation:
        """The picture was downloaded, into a folder that this host does not have."""
        generation = self.make()
        self.store.claim_made(generation.generation_id, owner=LAST, lease=EXPIRED)
        self.store.keep(generation, owner=LAST, cache_name=f"{generation.generation_id}.jpg")
        return generation

    def upload(self) -> Generation:
        """The picture was uploaded."""
        generation = self.keep_original()
        with self.database.read() as connection:
            url = str(connection.scalar(select(generations.c.url)))
        image = self.source.fetch(url)
        key = self.feishu.upload_image(image.content, filename="image.jpg")
        self.store.keep(generation, owner=LAST, image_key=key)
        return generation

    def finish(self) -> None:
        """The generation had ended, and only its card was behind."""
        self.store.done(self.upload(), owner=LAST)

    def fail(self) -> None:
        """The platform had refused it, and only its card was behind."""
        self.store.fail(self.claim(), Failure(code="server_error", sentence="failure.server"), owner=LAST)

    def cancel(self) -> None:
        """It had been cancelled, and only its card was behind."""
        self.answer()
        with self.database.write() as connection:
            connection.execute(update(generations).values(state=State.CANCELLED, ended_at=self.database.now))
            mark_dirty(connection, list(connection.scalars(select(requests.c.request_id))))


LEFT: dict[str, tuple[Callable[[LastVersion], object], str, int]] = {
    # What the last version did, the colour of the card in the end, and the paid calls in all.
    "accepted": (LastVersion.accept, "green", 1),
    "waiting": (LastVersion.answer, "green", 1),
    "generating": (LastVersion.claim, "green", 1),
    "made": (LastVersion.make, "green", 1),
    "made, with its original": (LastVersion.keep_original, "green", 1),
    "made, with its image key": (LastVersion.upload, "green", 1),
    "done, not shown": (LastVersion.finish, "green", 1),
    "failed, not shown": (LastVersion.fail, "red", 0),
    "cancelled, not shown": (LastVersion.cancel, "grey", 0),
}


@contextmanager
def last_version(cluster: Cluster, *, prompt: str) -> Iterator[LastVersion]:
    """The last version, with a message before it."""
    feishu, platform = cluster.feishu, cluster.glm.transport
    with (
        closing(Database(read_url(cluster.url))) as database,
        closing(FeishuClient(domain=feishu.origin, app_id=feishu.app_id, app_secret=feishu.app_secret)) as client,
        closing(GlmClient(api_key=FAKE_KEY, transport=platform())) as glm,
        closing(Downloader(transport=platform())) as source,
    ):
        migrate(database)
        message = feishu.say(chat_id="oc_direct_lin", sender="ou_lin", text=prompt)
        yield LastVersion(
            cluster=cluster,
            database=database,
            message=message,
            prompt=prompt,
            feishu=client,
            glm=glm,
            source=source,
        )


@pytest.mark.parametrize("state", LEFT)
def test_every_state_goes_on_to_its_end(cluster: Cluster, state: str) -> None:
    """Left in any state by a process that is gone, a prompt ends with its one card, and is paid for once."""
    leave, end, paid = LEFT[state]
    with last_version(cluster, prompt="一只橘猫") as last:
        leave(last)
        cluster.start("worker")
        wait_for(lambda: colours(cluster, last.message) == [end])
        assert len(posts_of(cluster.glm, last.message)) == paid


def test_every_kind_of_request_is_answered(cluster: Cluster) -> None:
    """Prompts, commands, faulty options, help and a welcome that a web accepted alone: each gets one answer."""
    web = cluster.start("web")
    texts = ["一只橘猫", "/help", "/queue", "/quota", "/settings", "一只猫 /size 7:7", "/hepl"]
    said = [cluster.feishu.say(chat_id="oc_direct_chen", sender="ou_chen", text=text) for text in texts]
    for message in said:
        assert cluster.push(message, web=web)
    cluster.feishu.webhook_url = f"http://127.0.0.1:{web.port}/webhook/event"
    added = cluster.feishu.add_bot("oc_group", by="ou_lin")
    # The messages, which had no address to go to, may be delivered again before.
    assert cluster.feishu.wait_for(
        lambda feishu: (added, "acknowledged") in {(one.event_id, one.outcome) for one in feishu.attempts}
    )
    web.kill()
    cluster.start("worker")
    wait_for(lambda: [len(colours(cluster, one)) for one in said] == [1] * 7)
    wait_for(lambda: welcomes(cluster) == 1)
    wait_for(lambda: colours(cluster, said[0]) == ["green"])


@pytest.mark.parametrize(("model", "end"), [("cogview-5", "blue"), ("glm-image", "green")])
def test_what_a_newer_version_has_accepted_stops_nobody(cluster: Cluster, model: str, end: str) -> None:
    """An unknown model is left to the newer version, an unknown option is left out, the line goes on."""
    newer = {**asdict(Options(model=model)), "seed": 7}
    with last_version(cluster, prompt="一只橘猫") as last:
        last.answer()
        with last.database.write() as connection:
            connection.execute(update(requests).values(content=json.dumps(newer)))
            connection.execute(update(generations).values(model=model))
        both = cluster.start("both")
        said = [cluster.feishu.say(chat_id="oc_direct_chen", sender="ou_chen", text=text) for text in ("猫", "/queue")]
        for message, colour_of in zip(said, ("green", "blue"), strict=True):
            assert cluster.push(message, web=both)
            assert cluster.feishu.wait_for(
                lambda _, one=message, its=colour_of: colours(cluster, one) == [its],  # type: ignore[misc]
                seconds=DEADLINE,
            )
        wait_for(lambda: colours(cluster, last.message) == [end])
        assert len(posts_of(cluster.glm, last.message)) == (end == "green")


def test_a_step_that_is_stored_is_not_taken_again(cluster: Cluster) -> None:
    """A version that finds an image key neither downloads nor uploads, whatever steps led there."""
    with last_version(cluster, prompt="一只橘猫") as last:
        last.upload()
        downloads, uploads = len(cluster.glm.downloads), len(cluster.feishu.calls_named("upload_image"))
        cluster.start("worker")
        wait_for(lambda: colours(cluster, last.message) == ["green"])
        assert len(cluster.glm.downloads) == downloads
        assert len(cluster.feishu.calls_named("upload_image")) == uploads


def colours(cluster: Cluster, message: ChatMessage) -> list[str | None]:
    """The colours of the cards under a message."""
    return [header_color(card) for card in cluster.feishu.replies(message.message_id)]


def welcomes(cluster: Cluster) -> int:
    """The messages that the bot sent to the group unasked."""
    feishu = cluster.feishu
    return sum(one.chat_id == "oc_group" and one.sender == feishu.app_id for one in feishu.messages)
