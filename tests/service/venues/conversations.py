"""Driving REST conversations without a socket, and bodies as the venues wrap them."""

import json
from collections.abc import Callable
from typing import Any, TypeVar

from service.venue import Conversation, RestRequest

T = TypeVar("T")

HOUR = 3_600_000
#: 2026-10-01 00:00 UTC, in ms.
T0 = 1_790_812_800_000

Answer = Callable[[RestRequest], Any]


def converse(conversation: Conversation[T], answer: Answer) -> tuple[T, list[RestRequest]]:
    """Drive a conversation with `answer`'s bodies; return its result and what it asked."""
    asked: list[RestRequest] = []
    try:
        request = next(conversation)
        while True:
            asked.append(request)
            assert len(asked) < 2000, "a conversation must end"
            body = answer(request)
            request = conversation.send(
                body if isinstance(body, bytes) else json.dumps(body).encode()
            )
    except StopIteration as stop:
        return stop.value, asked


def bybit_answer(result: dict[str, Any]) -> dict[str, Any]:
    """Return a body as Bybit wraps it."""
    return {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": T0}


def okx_answer(data: list[Any]) -> dict[str, Any]:
    """Return a body as OKX wraps it."""
    return {"code": "0", "msg": "", "data": data}
