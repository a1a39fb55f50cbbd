"""START HERE. The fold: ``signals = engine.fold(block, offset)`` and nothing else changes the engine.

No clock, no environment, no randomness. The same rows in the same order give the same signals byte for
byte and the same state bit for bit, however they are cut into blocks, and whether they come from a
socket, a broker or a file. Underlyings do not touch each other, so how they are spread over partitions
and workers does not matter either.

History. An INSTRUMENT row flagged HAS_BACKFILL announces that REST history will follow as BACKFILL rows, in
any order, until BACKFILL_END. From the first announcement until all announced histories have ended (or a
limit of log time has passed) the underlying's rows are held back; then the history is folded in time
order, and after it what was held. History that comes later is counted and ignored.
"""

import hashlib
from typing import Any

import msgspec
import numpy as np

from streams.brackets import brackets, terms
from streams.config import MethodConfig
from streams.evaluate import contract_init, underlying_init
from streams.events import ROW, ROW_BYTES, VIEWS, Flag, Kind, Rows, block_rows
from streams.evidence import breaker_state, breakers
from streams.fold import CONTROL, DONE, SAID, fold_rows
from streams.groups import group_of, venue_code
from streams.history import Hold
from streams.indicators.funding import LONGEST_NS, SHORTEST_NS
from streams.indicators.funding_view import view as funding_view
from streams.indicators.heatmap_view import view
from streams.kernels.jit import NS_PER_S
from streams.neutral import neutral_8h
from streams.readings import VALUE, number, quality_names
from streams.signals import Signal, rfc3339
from streams.slots import Slots
from streams.speech import CODE_VERSION, machine_state, speak
from streams.state import (
    CONTRACT,
    COUNTS,
    MAX_ASIDE,
    MAX_CONTRACTS,
    READINGS,
    UNDERLYING,
    excitation,
    params,
)
from streams.supply import supply_of

SNAPSHOT_SCHEMA = 2


class SchemaMismatch(Exception):  # noqa: N818
    """A snapshot of other code or configuration. Ours, so it is loud."""


class _Header(msgspec.Struct, frozen=True):
    schema: int
    layout: str
    config_hash: str
    offset: int
    received_ns: int
    ids: list[int]
    owner: list[int]
    underlyings: list[str]
    venues: list[str]
    aside: list[bool]
    open: list[bool]
    holds: list[tuple[int, bytes]]


def layout() -> str:
    """Return what identifies the records' shape: a snapshot fits only the same."""
    text = repr((CONTRACT, UNDERLYING, COUNTS))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Engine:
    """The state of every underlying seen so far, and the fold that advances it."""

    def __init__(self, config: MethodConfig | None = None, *, replay: bool = False) -> None:
        self.config = config or MethodConfig()
        self.replay = replay
        self.offset = -1  # of the last block folded
        self.received_ns = 0  # of the last row folded
        self._hash = self.config.hash()
        self._tick_ns = int(self.config.tick_s * NS_PER_S)
        self._tools = (
            np.array([params(self.config)]),  # a lone record costs 5 us a call to hand over
            excitation(self.config),
            np.zeros((3, MAX_CONTRACTS)),
            np.zeros(MAX_CONTRACTS, dtype=np.bool_),
        )
        self._ids: list[int] = []
        self._venues: list[str] = []
        self._names: list[str] = []
        self._index: dict[str, int] = {}
        self._open: list[bool] = []
        self._holds: dict[int, Hold] = {}
        self._slots = Slots()
        self._contracts = np.zeros(0, CONTRACT)
        self._underlyings = np.zeros(0, UNDERLYING)
        self._owner = np.zeros(0, np.int64)
        self._members = np.zeros((0, MAX_CONTRACTS), np.int64)
        self._sizes = np.zeros(0, np.int64)
        self._beside = np.zeros((0, MAX_ASIDE), np.int64)
        self._asides = np.zeros(0, np.int64)
        self._holding = np.zeros(0, np.bool_)
        self._counts = np.zeros(1, COUNTS)
        self._grow(contracts=32, underlyings=8)

    # -- the fold ---------------------------------------------------------------------------------

    def fold(self, block: bytes | bytearray | memoryview, offset: int) -> list[Signal]:
        """Apply a block and return what it made the engine say, in order.

        Args:
            block: rows end to end, see `streams.events`.
            offset: the block's place in its log; remembered as `offset`, never looked at.

        Raises:
            MalformedBlock: the bytes are not whole rows; nothing was applied.
        """
        rows = block_rows(block)
        if not rows.flags.aligned:
            rows = rows.copy()
        rows.setflags(write=False)  # the loop is compiled for read-only, aligned rows
        said: list[Signal] = []
        if rows.size:
            self._run(rows, said, history=False)
            self.received_ns = int(rows["received_ns"][-1])
        self.offset = offset
        return said

    def _run(self, rows: Rows, said: list[Signal], *, history: bool) -> None:
        words = rows.view(np.int64).reshape(-1, ROW_BYTES // 8)
        start = 0
        while start < rows.size:
            world = (
                self._contracts, self._owner, self._underlyings, self._members, self._sizes,
                self._beside, self._asides, self._holding, self._counts,
            )  # fmt: skip
            start, due, k = fold_rows(
                rows, words, start, history, self._slots.table, world, self._tools, self._tick_ns
            )
            if due == SAID:
                said.extend(self._speak(k))
            elif due == CONTROL:
                self._control(rows[start], said)
                start += 1
            elif due == DONE:
                return

    def _speak(self, k: int) -> list[Signal]:
        return speak(
            self._underlyings[k], self._names[k], self.config, self._hash,
            lambda side: self._printed(k, side), replay=self.replay,
        )  # fmt: skip

    def _printed(self, k: int, side: int) -> list[str]:
        """Return the venues that have printed in the last burst of a side."""
        number = self._underlyings[k]["burst"][side]["number"]
        return sorted({
            self._venues[slot] for slot in self._members[k, : self._sizes[k]]
            if self._contracts[slot]["liquidations"]["burst"][side] == number
        })  # fmt: skip

    # -- contract facts and history ---------------------------------------------------------------

    def _control(self, row: Any, said: list[Signal]) -> None:
        counts = self._counts[0]
        kind, flags = int(row["kind"]), int(row["flags"])
        if kind == Kind.INSTRUMENT:
            counts["rows"] += 1
            self._announce(row)
            return
        slot = self._slot(int(row["instrument"]))
        if slot is None or kind > Kind.BACKFILL_END:
            counts["rows"] += 1
            counts["unknown_instrument" if slot is None else "unknown_kind"] += 1
            return
        k = int(self._owner[slot])
        hold = self._holds.get(k)
        if hold is None:  # open already: the history comes too late to be folded in order
            counts["rows"] += 1
            counts["backfill_ignored"] += 1 if flags & Flag.BACKFILL else 0
            return
        hold.take(row, self._ids[slot])
        if hold.complete(row, self.config):
            self._release(k, hold, said)

    def _announce(self, row: Any) -> None:
        """Learn a contract, or hear again of one known."""
        instrument = int(row["instrument"])
        typed = np.frombuffer(row.tobytes(), VIEWS[Kind.INSTRUMENT])[0]
        slot = self._slot(instrument)
        if slot is None:
            try:
                names = typed["underlying"].decode(), typed["venue"].decode()
            except UnicodeDecodeError:
                self._counts[0]["out_of_range"] += 1
                return
            slot = self._add(
                instrument, *names, aside=bool(int(row["flags"]) & (Flag.SPOT | Flag.REGULATED))
            )
            if slot is None:
                return
        contract = self._contracts[slot]
        venue = self._venues[slot]
        contract["feed"]["group"] = group_of(venue, int(row["flags"]))
        contract["feed"]["venue"] = venue_code(venue)
        contract["feed"]["quote"] = int(row["reserved"])
        contract["funding"]["neutral_8h"] = neutral_8h(venue, self.config.neutral_rate_8h)
        if contract["feed"]["aside"]:
            return  # beside the offshore perpetuals: it neither opens nor holds anything
        if int(row["flags"]) & Flag.SAMPLED:
            contract["liquidations"]["sampled"] = 1
        if int(row["flags"]) & Flag.PARTIAL:
            contract["liquidations"]["partial"] = 1
        contract["feed"]["inverse"] = 1 if int(row["flags"]) & Flag.INVERSE else 0
        rates, amounts = terms(brackets(venue, self._names[self._owner[slot]]))
        contract["heat"]["maintenance"], contract["heat"]["amount"] = rates, amounts
        interval_ns = int(row["sequence"])
        if contract["funding"]["interval_ns"] == 0 and SHORTEST_NS <= interval_ns <= LONGEST_NS:
            contract["funding"]["interval_ns"] = interval_ns
        k = int(self._owner[slot])
        if self._open[k]:
            return
        if int(row["flags"]) & Flag.HAS_BACKFILL:
            hold = self._holds.setdefault(k, Hold(int(row["received_ns"])))
            hold.expect(instrument)
            self._holding[k] = True
        elif k not in self._holds:
            self._open[k] = True

    def _release(self, k: int, hold: Hold, said: list[Signal]) -> None:
        """Fold an underlying's history in time order, then what was held back meanwhile."""
        del self._holds[k]
        self._holding[k] = False
        self._open[k] = True
        history, live = hold.contents()
        self._counts[0]["backfill_rows"] += history.size
        if history.size:
            self._run(history, said, history=True)
        if live.size:
            self._run(live, said, history=False)

    def _slot(self, instrument: int) -> int | None:
        return self._slots.get(instrument)

    def _add(self, instrument: int, underlying: str, venue: str, *, aside: bool) -> int | None:
        """Make room for a contract. What stands aside (spot, regulated) is no member of the panel."""
        k = self._index.get(underlying)
        if k is None:
            k = len(self._names)
            self._names.append(underlying)
            self._index[underlying] = k
            self._open.append(False)
            self._grow(contracts=len(self._ids), underlyings=k + 1)
            self._underlyings[k]["leverage"]["supply"] = supply_of(underlying)
        if (self._asides[k] == MAX_ASIDE) if aside else (self._sizes[k] == MAX_CONTRACTS):
            self._counts[0]["unknown_instrument"] += 1
            return None
        slot = len(self._ids)
        self._grow(contracts=slot + 1, underlyings=len(self._names))
        self._ids.append(instrument)
        self._venues.append(venue)
        self._owner[slot] = k
        self._contracts[slot]["feed"]["aside"] = int(aside)
        if aside:
            self._beside[k, self._asides[k]] = slot
            self._asides[k] += 1
        else:
            self._members[k, self._sizes[k]] = slot
            self._sizes[k] += 1
        self._slots.add(instrument)
        return slot

    def _grow(self, *, contracts: int, underlyings: int) -> None:
        """Make room; new records are initialised before anything sees them."""
        had, have = self._contracts.size, self._underlyings.size
        if contracts > had:
            more = max(contracts, 2 * had) - had
            fresh = np.zeros(more, CONTRACT)
            for record in fresh:
                contract_init(record)
            self._contracts = np.concatenate([self._contracts, fresh])
            self._owner = np.concatenate([self._owner, np.zeros(more, np.int64)])
        if underlyings > have:
            more = max(underlyings, 2 * have) - have
            new = np.zeros(more, UNDERLYING)
            for name, _, _ in READINGS:
                new["readings"][name]["value"] = np.nan
                new["readings"][name]["coverage"] = np.nan
            for record in new:
                underlying_init(record)
            self._underlyings = np.concatenate([self._underlyings, new])
            members = np.zeros((more, MAX_CONTRACTS), np.int64)
            self._members = np.concatenate([self._members, members])
            self._sizes = np.concatenate([self._sizes, np.zeros(more, np.int64)])
            beside = np.zeros((more, MAX_ASIDE), np.int64)
            self._beside = np.concatenate([self._beside, beside])
            self._asides = np.concatenate([self._asides, np.zeros(more, np.int64)])
            self._holding = np.concatenate([self._holding, np.zeros(more, np.bool_)])

    # -- looking in -------------------------------------------------------------------------------

    @property
    def counters(self) -> dict[str, int]:
        """Return what was folded, and what was not and why."""
        return {name: int(self._counts[0][name]) for name in COUNTS.names or ()}

    def contract(self, instrument: int) -> tuple[str, str] | None:
        """Return a contract's venue and underlying, None if it has not been announced."""
        slot = self._slot(instrument)
        return None if slot is None else (self._venues[slot], self._names[self._owner[slot]])

    def underlyings(self) -> list[str]:
        """Return the underlyings that are being evaluated, in order of appearance."""
        return [name for name, ready in zip(self._names, self._open, strict=True) if ready]

    def state(self, underlying: str) -> dict[str, Any]:
        """Return all readings, breakers and both machines of an underlying as plain JSON values.

        Raises:
            KeyError: it has not been seen.
        """
        k = self._index[underlying]
        u = self._underlyings[k]
        # all at once: a look-up in a record costs a microsecond, and this runs every second
        triples = np.frombuffer(u["readings"].tobytes(), VALUE).tolist()
        readings = {
            name: {
                "value": number(value),
                "unit": unit,
                "coverage": number(coverage),
                "quality": quality_names(quality),
            }
            for (name, unit, _), (value, coverage, quality) in zip(READINGS, triples, strict=True)
        }
        return {
            "schema": "treadmill.state.v1",
            "symbol": underlying,
            "asof": rfc3339(int(u["tick_ns"])),
            "long": machine_state(u["machine"][0]),
            "short": machine_state(u["machine"][1]),
            "breakers": [breaker_state(one) for one in breakers(u, self.config)],
            "venues": sorted({self._venues[m] for m in self._members[k, : self._sizes[k]]}),
            "gates": self._gates(k),
            "funding": self._funding(k),
            "readings": readings,
            "config_hash": self._hash,
            "code_version": CODE_VERSION,
        }

    def _gates(self, k: int) -> list[dict[str, Any]]:
        """Return the contracts of an underlying whose open interest was implausible, with how often."""
        found = []
        for slot in self._members[k, : self._sizes[k]]:
            gate = self._contracts[slot]["gates"]
            if gate["tripped_ns"]:
                found.append({
                    "venue": self._venues[slot],
                    "instrument": f"{self._ids[slot]:016x}",
                    "usd_trips": int(gate["usd_trips"]),
                    "volume_trips": int(gate["volume_trips"]),
                    "last": rfc3339(int(gate["tripped_ns"])),
                })  # fmt: skip
        return found

    def _funding(self, k: int) -> dict[str, Any] | None:
        slots = self._members[k, : self._sizes[k]]
        venues = [self._venues[slot] for slot in slots]
        return funding_view(self._contracts[slots], venues, int(self._underlyings[k]["tick_ns"]))

    def heatmap(self, underlying: str) -> dict[str, Any]:
        """Return the liquidation heatmap of an underlying as plain JSON values, all MODELLED.

        Raises:
            KeyError: it has not been seen.
        """
        u = self._underlyings[self._index[underlying]]
        return {
            "schema": "treadmill.heatmap.v1",
            "symbol": underlying,
            "asof": rfc3339(int(u["tick_ns"])),
            "price": number(float(u["price"]["price"])),
            **view(u["heat"], u["heat_level"], u["heat_score"], self.config, self._tools[0][0]),
            "config_hash": self._hash,
            "code_version": CODE_VERSION,
        }

    def tick_ns(self, underlying: str) -> int:
        """Return when an underlying was last evaluated, 0 if never."""
        return int(self._underlyings[self._index[underlying]]["tick_ns"])

    # -- snapshots --------------------------------------------------------------------------------

    def underlying_hashes(self) -> dict[str, str]:
        """Return a digest of each underlying's state that does not depend on who else is here."""
        out = {}
        for k, name in enumerate(self._names):
            digest = hashlib.sha256(self._underlyings[k].tobytes())
            members = np.flatnonzero(self._owner[: len(self._ids)] == k)
            for slot in sorted(members, key=lambda s: self._ids[s]):
                digest.update(self._ids[slot].to_bytes(8, "little"))
                digest.update(self._contracts[slot].tobytes())
            if k in self._holds:
                digest.update(self._holds[k].dump())
            out[name] = digest.hexdigest()
        return out

    def state_hash(self) -> str:
        """Return one digest of all underlyings' states."""
        text = "".join(
            f"{name}={value};" for name, value in sorted(self.underlying_hashes().items())
        )
        return hashlib.sha256(text.encode()).hexdigest()

    def snapshot(self) -> bytes:
        """Return everything the engine knows, with the offset it includes."""
        header = _Header(
            schema=SNAPSHOT_SCHEMA,
            layout=layout(),
            config_hash=self._hash,
            offset=self.offset,
            received_ns=self.received_ns,
            ids=self._ids,
            owner=[int(x) for x in self._owner[: len(self._ids)]],
            underlyings=self._names,
            venues=self._venues,
            aside=[bool(x) for x in self._contracts["feed"]["aside"][: len(self._ids)]],
            open=self._open,
            holds=[(k, hold.dump()) for k, hold in sorted(self._holds.items())],
        )
        head = msgspec.msgpack.encode(header)
        return b"".join(
            [
                len(head).to_bytes(8, "little"),
                head,
                self._counts.tobytes(),
                self._contracts[: len(self._ids)].tobytes(),
                self._underlyings[: len(self._names)].tobytes(),
            ]
        )

    @classmethod
    def restore(
        cls, data: bytes, config: MethodConfig | None = None, *, replay: bool = False
    ) -> "Engine":
        """Return the engine a snapshot was taken of.

        Raises:
            SchemaMismatch: other code or other thresholds wrote it.
        """
        engine = cls(config, replay=replay)
        size = int.from_bytes(data[:8], "little")
        header = msgspec.msgpack.decode(data[8 : 8 + size], type=_Header)
        if header.schema != SNAPSHOT_SCHEMA or header.layout != layout():
            raise SchemaMismatch("the snapshot was written by another version of the engine")
        if header.config_hash != engine._hash:
            raise SchemaMismatch("the snapshot was written under other thresholds")
        engine.offset, engine.received_ns = header.offset, header.received_ns
        facts = zip(header.ids, header.owner, header.venues, header.aside, strict=True)
        for instrument, owner, venue, aside in facts:
            while len(engine._names) <= owner:  # names in order of appearance
                name = header.underlyings[len(engine._names)]
                engine._index[name] = len(engine._names)
                engine._names.append(name)
                engine._open.append(False)
            engine._grow(contracts=len(engine._ids), underlyings=len(engine._names))
            engine._add(instrument, header.underlyings[owner], venue, aside=aside)
        engine._open = list(header.open)
        engine._load(data[8 + size :])
        for k, dumped in header.holds:
            engine._holds[k] = Hold.load(dumped)
            engine._holding[k] = True
        return engine

    def _load(self, body: bytes) -> None:
        contracts, underlyings = len(self._ids), len(self._names)
        expected = (
            COUNTS.itemsize + contracts * CONTRACT.itemsize + underlyings * UNDERLYING.itemsize
        )
        if len(body) != expected:
            raise SchemaMismatch(f"the snapshot's body has {len(body)} bytes, expected {expected}")
        self._counts[:] = np.frombuffer(body, COUNTS, 1)
        at = COUNTS.itemsize
        self._contracts[:contracts] = np.frombuffer(body, CONTRACT, contracts, at)
        at += contracts * CONTRACT.itemsize
        self._underlyings[:underlyings] = np.frombuffer(body, UNDERLYING, underlyings, at)


assert ROW.itemsize == ROW_BYTES  # noqa: S101 - the loop reads the same bytes under two dtypes
