"""The whole bot with marked secrets through every fault: none of them shows anywhere outside."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from sqlalchemy.engine import make_url

from bot.db.tables import metadata
from bot.sandbox.faults import ANY_CALL, arm
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.state import FeishuState
from bot.sandbox.glm.stand_in import CONCURRENCY, GlmStandIn
from bot.sandbox.http import shared_tls
from tests.support.bot_process import NO_LIMITS
from tests.support.dsl import QUICK, REDELIVERY, BotUnderTest, Wrap, wait_for
from tests.support.logs import as_served
from tests.support.wire import wired

MARKED = {
    "app secret": "marked-app-secret-not-real",
    "encrypt key": "marked-encrypt-key-not-real",
    "verification token": "marked-verification-token-not-real",
    "GLM key": "marked-glm-key.not-real",
    "metrics token": "marked-metrics-token-not-real",
    "database password": "marked-database-password-not-real",
}
ONE_OF_EACH_KIND = (
    # What a platform says, what something on the way answers, and how a connection breaks.
    *("glm_1113", "glm_1301", "level_0", "no_data", "file_url", "ok_with_error", "not_json", "html_403", "redirect"),
    *("retry_after_503", "glm_hang", "glm_reset_after", "glm_truncated"),
    *("image_403", "image_html", "image_redirect", "image_hang", "image_reset"),
    *("rate_gateway", "quota", "card_bad", "too_long", "recalled", "scope", "token_bad", "image_size", "feishu_230001"),
    *("feishu_hang", "feishu_reset_after", "feishu_html_502", "feishu_empty_body", "feishu_truncated"),
)

VARIABLES = {
    **NO_LIMITS,
    "BOT_IMAGES_MODEL": "cogview-3-flash",
    "BOT_IMAGES_SIZE": "512x512",
    "ZHIPU_API_KEY": MARKED["GLM key"],
    "METRICS_TOKEN": MARKED["metrics token"],
}


@pytest.fixture(autouse=True)
def everything_logged() -> Iterator[None]:
    """All loggers at their most talkative, as far as the bot lets them."""
    with as_served("debug"):
        yield


def marked_bot(folder: Path, *, database_url: str, wrap_glm: Wrap | None = None) -> BotUnderTest:
    """A bot whose secrets can be told from everything else, before it starts."""
    url = make_url(database_url).set(password=MARKED["database password"])
    state = FeishuState(
        app_secret=MARKED["app secret"],
        encrypt_key=MARKED["encrypt key"],
        verification_token=MARKED["verification token"],
    )
    return BotUnderTest(
        folder=folder,
        feishu=FeishuStandIn(state, delivery=REDELIVERY),
        glm=GlmStandIn(seconds=0.01, concurrency=CONCURRENCY),
        pace=replace(QUICK, upload_in_all=0.1, backoff_in_all=0.1),
        wrap_glm=wrap_glm,
        variables={**VARIABLES, "DATABASE_URL": url.render_as_string(hide_password=False)},
    )


def meet_every_fault(bot: BotUnderTest) -> None:
    """Sends prompts until each fault has met a call, and Feishu has ended tokens and refused or garbled new ones."""
    for name in ONE_OF_EACH_KIND:
        arm(name, feishu=bot.feishu.faults, glm=bot.glm.faults, on=ANY_CALL)
    while bot.glm.faults.armed or bot.feishu.faults.armed:
        for said in [bot.new_user().send() for _ in range(12)]:
            bot.wait_until_idle(said)
    for fault in ("feishu_10014", "html_502", "empty_body", "token_bad"):
        bot.feishu.expire_tokens()
        bot.feishu.faults.arm(fault, on="token")
        bot.wait_until_idle(bot.new_user().send())
    assert bot.feishu.faults.armed == []


def tenant_token(feishu: FeishuStandIn) -> str:
    """The token with which the bot calls: Feishu gives the same one to all who ask within the hour."""
    credentials = {"app_id": feishu.app_id, "app_secret": feishu.app_secret}
    url = f"{feishu.origin}/open-apis/auth/v3/tenant_access_token/internal"
    return str(httpx.post(url, json=credentials, trust_env=False, verify=shared_tls()).json()["tenant_access_token"])


def answers_to_strangers(bot: BotUnderTest) -> Iterator[str]:
    """What the bot answers to those who ask without being entitled to, and what it has answered to Feishu."""
    with httpx.Client(base_url=bot.origin, trust_env=False, verify=shared_tls()) as http:
        for path in ("/", "/healthz", "/readyz", "/metrics", "/webhook/event", "/webhook/card"):
            answer = http.get(path)
            yield f"{answer.headers}{answer.text}"
        yield http.get("/metrics", headers={"Authorization": f"Bearer {MARKED['metrics token']}"}).text
        for content in (b"", b"{}", b'{"encrypt": "AAAA"}', b'{"type": "url_verification", "challenge": "a"}'):
            yield http.post("/webhook/event", content=content).text
            yield http.post("/webhook/event", content=content, headers={"X-Lark-Signature": "0"}).text
    for attempt in bot.feishu.attempts:
        yield attempt.body.decode("utf-8", "replace")


def kept(bot: BotUnderTest) -> Iterator[str]:
    with bot.app.database.read() as connection:
        for table in metadata.sorted_tables:
            for row in connection.execute(table.select()):
                yield str(tuple(row))


def shown(bot: BotUnderTest) -> Iterator[str]:
    """Every version of every message, and the platform's record of the calls."""
    for message in bot.feishu.messages:
        yield from (message.content, *message.versions)
    for call in bot.feishu.calls:
        yield f"{call.path}{call.body}"


def found(secrets: dict[str, str], *, places: dict[str, list[str]]) -> list[tuple[str, str]]:
    said = {place: "\n".join(texts) for place, texts in places.items()}
    return [(name, place) for name, secret in secrets.items() for place, text in said.items() if secret in text]


@pytest.mark.postgres
def test_no_secret_shows_through_any_fault(tmp_path: Path, caplog: pytest.LogCaptureFixture, postgres_url: str) -> None:
    """Faults of every kind in one run: logs, cards, calls, answers, database and files hold no secret."""
    with wired(postgres_url) as (wire, far_url), marked_bot(tmp_path, database_url=far_url) as bot:
        meet_every_fault(bot)
        wire.cut()
        said = bot.new_user().send()
        wait_for(lambda: bot.feishu.attempts[-1].outcome != "acknowledged")
        unavailable = list(answers_to_strangers(bot))
        wire.mend()
        bot.wait_until_idle(said)
        secrets = {**MARKED, "tenant token": tenant_token(bot.feishu)}
        places = {
            "logs": [caplog.text],
            "cards and calls": list(shown(bot)),
            "answers": [*unavailable, *answers_to_strangers(bot)],
            "database": list(kept(bot)),
        }
    assert "database unavailable" in caplog.text
    places["files"] = [path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*") if path.is_file()]
    assert all("".join(texts) for texts in places.values())
    assert found(secrets, places=places) == []
    # With its signature the link to a picture opens it to everybody.
    assert not re.search(r"Signature=|t-[0-9a-f]{40}", caplog.text)


@pytest.mark.postgres
def test_a_key_that_the_platform_quotes_goes_no_further(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, postgres_url: str
) -> None:
    """Where the platform, or a firewall before it, repeats the key or a part of it, all that is kept has it masked."""
    key = MARKED["GLM key"]
    quoted = {"key": key, "end of the key": key[-8:], "part of the key": key[4:16]}

    def answer(request: httpx.Request) -> httpx.Response:
        part = json.loads(request.content)["prompt"]
        said = f"无效的 API Key：{quoted[part]}"
        if part == "part of the key":
            return httpx.Response(401, html=f"<h1>{said}</h1>")
        return httpx.Response(401, json={"error": {"code": "1002", "message": said}, "request_id": quoted[part]})

    with marked_bot(tmp_path, database_url=postgres_url, wrap_glm=lambda _: httpx.MockTransport(answer)) as bot:
        cards = [bot.new_user().ask(part) for part in quoted]
        places = {"logs": [caplog.text], "cards and calls": list(shown(bot)), "database": list(kept(bot))}
    assert ["无效的 API Key：***" in card.text() for card in cards] == [True, True, False]
    assert "无效的 API Key：***" in caplog.text
    assert found({**MARKED, **quoted}, places=places) == []
