"""Our rows against an answer key that others wrote, message by message, and whole recordings.

The key is that of tardis-node: raw messages of the venues beside the records its authors expect. A venue that
the key knows brings `key_<venue>.py` (see `Key`). Every message is either matched in all that the key says of
it, or stands in the venue's `UNCOVERED` with the reason. Of recordings every frame must be read, and the sums
of their trades must be those of plain JSON and `float`.

`lines` is all a report needs (``python -m tests.answers``); the test only demands that no line is wrong.
"""

import datetime as dt
import importlib
import importlib.util
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from service.venue import Decoder, VenueError
from service.venues.registry import VENUES
from streams.events import RowBuffer
from streams.instruments import Instrument
from tests.service.venues.cases import RECEIVED_NS, differences, rows_of, same
from tests.service.venues.recordings import Taken, recorded

Outcome = Literal["matched", "uncovered", "wrong"]
Record = dict[str, Any]


class Line(NamedTuple):
    """What became of one message: `where` is a file below raw/, `message` its place in it."""

    venue: str
    where: str
    message: str
    outcome: Outcome
    detail: str


class Key(NamedTuple):
    """What `key_<venue>.py` says, names in capitals there.

    `uncovered` and `by_hand` are by ``set/seq``, ``set#2/seq`` for the second of their tests that names a set
    so, or ``live/number`` for the single frames of 2026. `adjust` gives the key's record as one of our rows
    should have it: what is taken out of it is not demanded.
    `numbered`: our sequence of a trade is the key's id. `rejects` are reasons for which frames of the
    recordings may be refused. `tally` gives a frame's trades without our decoder; contracts of recordings
    are, besides `instruments`, what the venue implies from the symbols that it names.
    """

    file: str
    instruments: dict[str, Instrument]
    uncovered: Mapping[str, str]
    by_hand: Mapping[str, tuple[Record, ...]]
    adjust: Callable[[str, Record, Record], Record]
    numbered: bool
    recorded: tuple[str, ...]
    rejects: Mapping[str, str]
    tally: Callable[[Any], list[Taken]] | None


def _as_it_is(_kind: str, record: Record, _raw: Record) -> Record:
    return record


def _keys() -> dict[str, Key]:
    found = {}
    for venue in VENUES:
        name = f"{__name__.rpartition('.')[0]}.key_{venue}"
        if importlib.util.find_spec(name) is None:
            continue
        said = vars(importlib.import_module(name))
        found[venue] = Key(
            file=said.get("FILE", ""),
            instruments=said["INSTRUMENTS"],
            uncovered=said.get("UNCOVERED", {}),
            by_hand=said.get("BY_HAND", {}),
            adjust=said.get("adjust", _as_it_is),
            numbered=said.get("NUMBERED", False),
            recorded=tuple(said.get("RECORDED", ())),
            rejects=said.get("RECORDED_REJECTS", {}),
            tally=said.get("tally"),
        )
    return found


KEYS: Final = _keys()

_NONE: Final = "not one of our venues"
#: What of raw/ no key speaks of, and why.
LEFT_OUT: Final[Mapping[str, str]] = {
    "tardis_fixtures/bullish.jsonl": _NONE,
    "tardis_fixtures/coinbase-international.jsonl": _NONE,
    "tardis_fixtures/crypto-com.jsonl": _NONE,
    "tardis_fixtures/huobi-dm-linear-swap.jsonl": _NONE,
    "tardis_fixtures/kucoin-futures.jsonl": _NONE,
    "tardis_fixtures/okx-futures.jsonl": "dated futures, no perpetuals",
    "tardis_fixtures/phemex.jsonl": _NONE,
    "tardis_fixtures/woo-x.jsonl": _NONE,
    "hyperliquid/node_fills_by_block_20251027.jsonl.gz": "a node's own files, not the public websocket",
}
LIVE: Final = "live_frames_2026/frames.jsonl"
#: Our names for venues that the recorder of the single frames calls otherwise.
_LIVE_NAMES: Final = {"binance_coinm": "binance_coin"}


def _nanoseconds(text: str) -> int:
    moment = dt.datetime.fromisoformat(text)
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return (moment - epoch) // dt.timedelta(microseconds=1) * 1000


def _precision(text: str) -> int:
    """Return how many nanoseconds the last digit of a time stands for.

    >>> _precision("2024-08-22T23:59:58.855Z")
    1000000
    """
    return 10 ** (9 - len(text.rstrip("Z").partition(".")[2]))


def _contracts(row: Record, spec: Instrument) -> float:
    """Return a row's size as the venue, and the key, write it."""
    amount = row["quantity"] if spec.contract_type == "linear" else row["notional_usd"]
    return float(amount * spec.size_denominator / spec.size_numerator)


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)


def _wanted(kind: str, record: Record, numbered: bool) -> Record:
    """Return what a record demands of a row of ours, in the row's names."""
    want: Record = {}
    if kind in {"trade", "liquidation"}:
        if kind == "trade":
            want["taker"] = record["side"]
        else:
            want["position"] = {"sell": "long", "buy": "short"}[record["side"]]
        want["price"] = float(record["price"])
        if kind == "trade" and numbered:
            want["sequence"] = int(record["id"])
    elif kind == "mark":
        names = {"markPrice": "mark_price", "indexPrice": "index_price"}
        want = {ours: _number(record[theirs]) for theirs, ours in names.items() if theirs in record}
    elif kind == "funding":
        want["rate"] = _number(record.get("fundingRate"))
        if record.get("fundingTimestamp") is not None:
            want["next_funding_ns"] = _nanoseconds(record["fundingTimestamp"])
    return want


def _amount(kind: str, record: Record) -> float | None:
    """Return the size that the key's record demands, in contracts; None where a row has none."""
    name = {"trade": "amount", "liquidation": "amount", "open_interest": "openInterest"}.get(kind)
    return None if name is None or record.get(name) is None else float(record[name])


def _differs(key: Key, kind: str, record: Record, row: Record) -> list[str]:
    found = differences(_wanted(kind, record, key.numbered), row)
    if kind in {"trade", "liquidation"} and "timestamp" in record:
        unit = _precision(record["timestamp"])
        if row["exchange_ns"] // unit * unit != _nanoseconds(record["timestamp"]):
            found.append(f"exchange_ns {row['exchange_ns']}, key {record['timestamp']}")
    want, got = _amount(kind, record), None
    if want is not None:
        got = _contracts(row, key.instruments[row["symbol"]])
        if not same(want, got):
            found.append(f"{kind} of {got} contracts, key {want}")
    return found


def _pairs(
    key: Key, rows: list[Record], records: list[Record], raw: Record
) -> Iterator[tuple[Record, Record]]:
    """Yield our rows with the record each must agree with: events one to one, levels by symbol."""
    for kind in dict.fromkeys(row["kind"] for row in rows):
        ours = [row for row in rows if row["kind"] == kind]
        event = kind in {"trade", "liquidation"}
        theirs = [
            key.adjust(kind, dict(record), raw)
            for record in records
            if record["type"] == (kind if event else "derivative_ticker")
        ]
        if event:
            yield from zip(ours, theirs, strict=True)
            continue
        for row in ours:
            yield row, [one for one in theirs if one["symbol"] == row["symbol"]][-1]
    events = {row["kind"] for row in rows}
    for record in records:
        if record["type"] in {"trade", "liquidation"} and record["type"] not in events:
            raise ValueError(f"no row for the key's {record['type']}")


def _against_key(key: Key, rows: list[Record], records: list[Record], raw: Record) -> list[str]:
    found = []
    for row, record in _pairs(key, rows, records, raw):
        if record["symbol"] != row["symbol"]:
            found.append(f"symbol {row['symbol']}, key {record['symbol']}")
        found += _differs(key, row["kind"], record, row)
    return found


def _judge(
    key: Key, message: str, rows: list[Record], records: list[Record], raw: Record
) -> tuple[Outcome, str]:
    if message in key.uncovered:
        if rows:
            return "wrong", "listed as uncovered but gave rows"
        return "uncovered", key.uncovered[message]
    if not rows:
        return "wrong", "no rows, and not listed as uncovered"
    by_hand = key.by_hand.get(message)
    if by_hand is not None:
        found = [] if len(rows) == len(by_hand) else [f"{len(rows)} rows, by hand {len(by_hand)}"]
        for want, row in zip(by_hand, rows, strict=False):
            found += differences(want, row)
    else:
        try:
            found = _against_key(key, rows, records, raw)
        except (ValueError, IndexError, TypeError, KeyError) as error:
            found = [f"rows and key do not pair: {error!r}"]
    if found:
        return "wrong", "; ".join(found)
    return "matched", ", ".join(row["kind"] for row in rows)


def _message(
    venue: str, where: str, message: str, raw: Any, records: list[Record], decoder: Decoder
) -> Line:
    key, out, refused = KEYS[venue], RowBuffer(), ""
    try:
        decoder.decode(json.dumps(raw, separators=(",", ":")).encode(), RECEIVED_NS, out)
    except VenueError as error:
        refused = f" ({error})"
    outcome, detail = _judge(key, message, rows_of(out, key.instruments), records, raw)
    return Line(venue, where, message, outcome, detail + (refused if outcome == "wrong" else ""))


def _read(path: Path) -> list[Record]:
    return [json.loads(line) for line in path.read_text().splitlines() if line]


def _of_key(venue: str, raw: Path) -> Iterator[Line]:
    where = f"tardis_fixtures/{KEYS[venue].file}.jsonl"
    decoders: dict[str, Decoder] = {}
    sets: dict[str, dict[str | None, int]] = {}
    for record in _read(raw / where):
        # two of their tests may call their messages the same
        tests = sets.setdefault(record["set"], {})
        number = tests.setdefault(record.get("source_test"), len(tests) + 1)
        group = record["set"] if number == 1 else f"{record['set']}#{number}"
        if group not in decoders:
            decoders[group] = VENUES[venue].decoder(KEYS[venue].instruments)
        message = f"{group}/{record['seq']}"
        yield _message(
            venue, where, message, record["raw"], record["tardis_normalized"], decoders[group]
        )


def _of_live(raw: Path) -> Iterator[Line]:
    for number, record in enumerate(_read(raw / LIVE), start=1):
        venue, message = _LIVE_NAMES.get(record["venue"], record["venue"]), f"live/{number}"
        if venue not in KEYS:
            yield Line(venue, LIVE, message, "uncovered", _NONE)
            continue
        decoder = VENUES[venue].decoder(KEYS[venue].instruments)
        yield _message(venue, LIVE, message, record["raw"], [], decoder)


def _of_recording(venue: str, where: str, raw: Path) -> Line:
    key = KEYS[venue]
    heard = recorded(raw / where, VENUES[venue], key.instruments, key.tally)
    wrong = [
        f"{count} frames refused ({reason}): {heard.example[reason]}"
        for reason, count in heard.refused.items()
        if reason not in key.rejects
    ]
    wrong += heard.wrong
    outcome: Outcome = "matched" if heard.says else "uncovered"
    says = [f"{name} {count}" for name, count in sorted(heard.says.items())]
    says += [
        f"refused as {reason} {count}: {key.rejects.get(reason, 'not listed')}"
        for reason, count in sorted(heard.refused.items())
    ]
    detail = ", ".join(says) + f"; {heard.trades} trades" + ("" if key.tally else ", not summed")
    return Line(
        venue, where, "recording", "wrong" if wrong else outcome, "; ".join([*wrong, detail])
    )


def lines(shared_data: Path) -> Iterator[Line]:
    """Yield what became of every message and every recording below raw/, each file once at least."""
    raw = shared_data / "raw"
    seen = set(LEFT_OUT) | {LIVE}
    for venue, key in KEYS.items():
        if key.file:
            seen.add(f"tardis_fixtures/{key.file}.jsonl")
            yield from _of_key(venue, raw)
        for where in key.recorded:
            seen.add(where)
            yield _of_recording(venue, where, raw)
    yield from _of_live(raw)
    for where, why in LEFT_OUT.items():
        yield Line("", where, "all", "uncovered", why)
    for path in sorted(raw.glob("*/*")):
        where = path.relative_to(raw).as_posix()
        if where not in seen:
            yield Line("", where, "all", "wrong", "no key speaks of it, and it is not left out")
