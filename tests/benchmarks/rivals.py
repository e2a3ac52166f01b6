"""Two other servers that take the same events: the SDK's own pattern, and a route that only reads the body."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

import httpx
from flask import Flask, request
from waitress.server import create_server

from bot.sandbox.glm.stand_in import loopback

GLM_URL = "https://open.bigmodel.cn/api/paas/v4/images/generations"


def bare() -> Flask:
    """Reads the body and answers."""
    app = Flask("bare")

    @app.post("/webhook/event")
    def take() -> dict[str, Any]:
        request.get_data()
        return {}

    return app


def sdk(glm: str) -> Flask:
    """The SDK's dispatcher behind Flask, as its examples have it: the picture is made inside the handler."""
    # Imported by name: it has no types, and takes seconds that the other server need not wait for.
    lark = import_module("lark_oapi")
    flask = import_module("lark_oapi.adapter.flask")
    im = import_module("lark_oapi.api.im.v1")

    facts = os.environ
    chats = (
        lark.Client.builder()
        .app_id(facts["FEISHU_APP_ID"])
        .app_secret(facts["FEISHU_APP_SECRET"])
        .domain(facts["FEISHU_DOMAIN"])
        .build()
    )
    platform = httpx.Client(transport=loopback(glm), trust_env=False, timeout=60)

    def answer(event: Any) -> None:
        body = {"model": "glm-image", "prompt": "一只橘猫", "size": "1280x1280"}
        url = platform.post(GLM_URL, json=body, headers={"Authorization": "Bearer fake.fake"}).json()["data"][0]["url"]
        content = lark.JSON.marshal({"text": url})
        reply = im.ReplyMessageRequestBody.builder().msg_type("text").content(content).build()
        message_id = event.event.message.message_id
        chats.im.v1.message.reply(im.ReplyMessageRequest.builder().message_id(message_id).request_body(reply).build())

    dispatcher = (
        lark.EventDispatcherHandler.builder(facts["FEISHU_ENCRYPT_KEY"], facts["FEISHU_VERIFICATION_TOKEN"])
        .register_p2_im_message_receive_v1(answer)
        .build()
    )
    app = Flask("sdk")

    @app.post("/webhook/event")
    def take() -> Any:
        return flask.parse_resp(dispatcher.do(flask.parse_req()))

    return app


def main() -> int:
    """Serves until it is killed; tells its port on the first line of the standard output."""
    app = bare() if sys.argv[1] == "bare" else sdk(sys.argv[2])
    server: Any = create_server(app, host="127.0.0.1", port=0, threads=8, asyncore_use_poll=True)
    print(server.effective_port, flush=True)  # noqa: T201 - for whoever started it
    server.run()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
