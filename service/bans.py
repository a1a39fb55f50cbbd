"""How long a venue wants to be left alone, kept on disk so that a restart does not forget it."""

from pathlib import Path
from typing import Final

import msgspec

from service.budget import retry_after_s

NS: Final = 1_000_000_000
#: What to do when a venue says "too many" but not for how long.
RATE_LIMITED_S: Final = 30.0
BANNED_S: Final = 120.0


class _Kept(msgspec.Struct):
    until_ns: int
    status: int


class Ban:
    """The present or last ban of one door of a venue: its REST interface, or its websockets."""

    def __init__(self, file: Path | None, now_ns: int) -> None:
        self._file = file
        self._kept = self._load(now_ns)

    @property
    def until_ns(self) -> int:
        """When it ends; 0 if there was none."""
        return self._kept.until_ns

    def _load(self, now_ns: int) -> _Kept:
        if self._file is None or not self._file.exists():
            return _Kept(0, 0)
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=_Kept)
        except msgspec.MsgspecError:
            # A ban was being noted: assume the usual one rather than knock again.
            return _Kept(now_ns + int(BANNED_S * NS), 0)

    def note(self, status: int, retry_after: str | None, now_ns: int) -> int:
        """Take note of an answer 429 or 418 and its Retry-After; return when the ban ends."""
        wait_s = retry_after_s(retry_after, BANNED_S if status == 418 else RATE_LIMITED_S, now_ns)
        self._kept = _Kept(max(self._kept.until_ns, now_ns + int(wait_s * NS)), status)
        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            draft = self._file.with_suffix(".new")
            draft.write_bytes(msgspec.json.encode(self._kept))
            draft.replace(self._file)
        return self._kept.until_ns
