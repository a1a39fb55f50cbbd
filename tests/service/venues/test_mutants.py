"""The documented frames must notice every way in which a venue is easily misread.

Each mutant is the module's own source with one replacement, executed as a fresh module. A mutant that
passes all cases survives, and a surviving mutant is a test that is missing.
"""

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

from service.venues import binance_usdm, bybit, decode, okx
from tests.service.venues.cases import killed_by, problems
from tests.service.venues.test_frames import ALL

MODULES: dict[str, ModuleType] = {"binance_usdm": binance_usdm, "bybit": bybit, "okx": okx}

#: (venue, what is misread, the source, its replacement)
MUTANTS: tuple[tuple[str, str, str, str], ...] = (
    ("binance_usdm", "taker side flipped", "{True: int(Side.SELL), False: int(Side.BUY)}",
     "{True: int(Side.BUY), False: int(Side.SELL)}"),
    ("binance_usdm", "position side flipped", '{"SELL": int(Side.LONG), "BUY": int(Side.SHORT)}',
     '{"SELL": int(Side.SHORT), "BUY": int(Side.LONG)}'),
    ("binance_usdm", "limit price for average fill", "(order.average_price or order.limit_price)",
     "order.limit_price"),
    ("binance_usdm", "ordered for filled quantity", '"filled": "z"', '"filled": "q"'),
    ("binance_usdm", "last fill for filled quantity", '"filled": "z"', '"filled": "l"'),
    ("binance_usdm", "unfilled orders counted", 'if order.status != "FILLED":', "if False:"),
    ("binance_usdm", "mark and index swapped",
     '"mark_price": "p",\n        "index_price": "i"', '"mark_price": "i",\n        "index_price": "p"'),
    ("binance_usdm", "settle price for index", '"index_price": "i"', '"index_price": "P"'),
    ("binance_usdm", "average mark for mark", '"mark_price": "p"', '"mark_price": "ap"'),
    ("binance_usdm", "interval dropped", "event.rate, c.interval_ns,", "event.rate, 0,"),
    ("binance_usdm", "interval taken as 8 h", "event.rate, c.interval_ns,",
     "event.rate, 28_800_000_000_000,"),
    ("binance_usdm", "interval's doubt dropped", "_PREDICTED | c.interval_flags", "_PREDICTED"),
    ("binance_usdm", "prediction passed as paid", 'kind="predicted"', 'kind="settled"'),
    ("binance_usdm", "event time for trade time", '"traded_ms": "T",\n        "buyer_is_maker"',
     '"traded_ms": "E",\n        "buyer_is_maker"'),
    ("binance_usdm", "insurance fund on the tape", 'if event.origin != "MARKET":', "if False:"),
    ("binance_usdm", "COIN-M counted in coins", "if order.market == 2 or event.market == 2:", "if False:"),
    ("binance_usdm", "price of the unit", "price = event.price / c.unit", "price = event.price"),
    ("binance_usdm", "size of the unit", "event.quantity * c.numerator / c.denominator",
     "event.quantity"),
    ("binance_usdm", "mark of the unit", "event.mark_price / c.unit", "event.mark_price"),
    ("binance_usdm", "sample passed as complete", 'completeness="sampled"', 'completeness="complete"'),
    ("bybit", "taker side flipped", '{"Buy": int(Side.BUY), "Sell": int(Side.SELL)}',
     '{"Buy": int(Side.SELL), "Sell": int(Side.BUY)}'),
    ("bybit", "position read as order side", '{"Buy": int(Side.LONG), "Sell": int(Side.SHORT)}',
     '{"Buy": int(Side.SHORT), "Sell": int(Side.LONG)}'),
    ("bybit", "open interest doubled", "SIDES_COUNTED: Final = 2", "SIDES_COUNTED: Final = 1"),
    ("bybit", "single open interest halved", "size = t.one_side\n", "size = t.one_side / 2\n"),
    ("bybit", "single open interest not read", "if t.one_side is not None", "if False"),
    ("bybit", "halving not said", "flags |= _HALVED", "pass"),
    ("bybit", "mark and index swapped",
     '"mark_price": "markPrice",\n        "index_price": "indexPrice"',
     '"mark_price": "indexPrice",\n        "index_price": "markPrice"'),
    ("bybit", "last price for mark", '"mark_price": "markPrice"', '"mark_price": "lastPrice"'),
    ("bybit", "bid for the middle", "(t.bid_price + t.ask_price) / 2", "t.bid_price"),
    ("bybit", "interval dropped", "if t.interval_hours:", "if False:"),
    ("bybit", "interval in minutes", "t.interval_hours * HOUR_NS", "t.interval_hours * HOUR_NS // 60"),
    ("bybit", "interval's doubt dropped", "_PREDICTED | flags", "_PREDICTED"),
    ("bybit", "deltas forget what they omit", "        news = _merge(known, said)\n",
     "        news, known = _merge(known, said), said\n"),
    ("bybit", "deltas taken before a snapshot",
     'else:\n            return "ignored"',
     "else:\n            known = self._tickers[said.symbol] = _Ticker(said.symbol)"),
    ("bybit", "repeated values are news", "if value is not None and value != before:",
     'if value is not None and name != "symbol":'),
    ("bybit", "complete feed passed as a sample", 'completeness="complete"', 'completeness="sampled"'),
    ("bybit", "bankruptcy price passed as a fill", 'price="bankruptcy"', 'price="fill"'),
    ("bybit", "push time for trade time", '"traded_ms": "T"', '"traded_ms": "ts"'),
    ("okx", "taker side flipped", 'TAKER: Final = {"buy": int(Side.BUY), "sell": int(Side.SELL)}',
     'TAKER: Final = {"buy": int(Side.SELL), "sell": int(Side.BUY)}'),
    ("okx", "position side flipped", '{"long": int(Side.LONG), "short": int(Side.SHORT)}',
     '{"long": int(Side.SHORT), "short": int(Side.LONG)}'),
    ("okx", "net mode side flipped", '{"sell": int(Side.LONG), "buy": int(Side.SHORT)}',
     '{"sell": int(Side.SHORT), "buy": int(Side.LONG)}'),
    ("okx", "posSide not read", "POSITION.get(order.pos_side) or ", ""),
    ("okx", "contracts for coins in open interest", "coin = item.oi_ccy * c.unit", "coin = item.oi"),
    ("okx", "open interest doubled", "coin = item.oi_ccy * c.unit", "coin = item.oi_ccy * 2"),
    ("okx", "open interest halved", "coin = item.oi_ccy * c.unit", "coin = item.oi_ccy / 2"),
    ("okx", "open interest's USD doubled", "usd = item.oi_usd", "usd = item.oi_usd * 2"),
    ("okx", "rounded USD for an inverse swap", 'if not c.inverse and item.oi_usd != "":',
     'if item.oi_usd != "":'),
    ("okx", "mark and index swapped", "received_ns, 0, mark, index, NAN", "received_ns, 0, index, mark, NAN"),
    ("okx", "dead mark kept alive by the index",
     "self.mark if now_ms - self.mark_ms <= MARK_HOLD_MS else NAN", "self.mark"),
    ("okx", "stale index repeated", "self.index if now_ms - self.index_ms <= INDEX_HOLD_MS else NAN",
     "self.index"),
    ("okx", "interval dropped",
     "(item.next_funding_time - item.funding_time) * NS_PER_MS, 0", "0, 0"),
    ("okx", "interval taken as 8 h",
     "(item.next_funding_time - item.funding_time) * NS_PER_MS, 0", "c.interval_ns, 0"),
    ("okx", "next settlement for this one", "item.funding_rate, interval_ns, item.funding_time",
     "item.funding_rate, interval_ns, (item.next_funding_time or 0)"),
    ("okx", "replayed orders passed as new", "_SNAPSHOT if self._snapshot_due else 0", "0"),
    ("okx", "snapshot never ends", "self._snapshot_due = False\n", "\n"),
    ("okx", "second snapshot passed as new", 'self._snapshot_due |= channel == "liquidation-orders"',
     "pass"),
    ("okx", "repeated orders counted again", "if key in self._seen:", "if False:"),
    ("okx", "orders of one instant taken for one",
     "(symbol, order.ts, order.side, order.sz, order.bk_px)", "(symbol, order.ts)"),
    ("okx", "partial feed passed as complete", 'completeness="sampled"', 'completeness="complete"'),
)  # fmt: skip

#: Mutants of what all venues share, as (what, source, replacement); the venues that must notice each.
SHARED: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("contract size dropped", "amount = size * self.numerator / self.denominator", "amount = size",
     ("binance_usdm", "bybit", "okx")),
    ("contract size inverted", "size * self.numerator / self.denominator",
     "size * self.denominator / self.numerator", ("binance_usdm", "bybit", "okx")),
    ("inverse contracts taken as linear", "if self.inverse else", "if False else", ("bybit", "okx")),
    ("inverse coin and USD swapped", "(amount / price, amount) if", "(amount, amount / price) if",
     ("bybit", "okx")),
    ("stablecoin not said", 'assumed=0 if spec.quote == "USD" else int(Flag.STABLE_ASSUMED)', "assumed=0",
     ("binance_usdm", "bybit", "okx")),
    ("milliseconds for nanoseconds", "NS_PER_MS: Final = 1_000_000", "NS_PER_MS: Final = 1",
     ("binance_usdm", "bybit", "okx")),
)  # fmt: skip


def _mutated(module: ModuleType, name: str, old: str, new: str) -> ModuleType:
    """Return a module made of the source of `module` with `old` replaced."""
    source = Path(str(module.__file__)).read_text()
    assert source.count(old) == 1, f"{name}: {source.count(old)} places for {old!r}"
    spec = importlib.util.spec_from_loader(name, loader=None)
    assert spec is not None
    fresh = importlib.util.module_from_spec(spec)
    exec(compile(source.replace(old, new), f"<{name}>", "exec"), fresh.__dict__)  # noqa: S102 - the point
    return fresh


@contextmanager
def _present(name: str, module: ModuleType) -> Iterator[None]:
    """Let imports of `name` find `module` for a while: typing looks modules up by name."""
    before = sys.modules.get(name)
    sys.modules[name] = module
    try:
        yield
    finally:
        if before is None:
            del sys.modules[name]
        else:
            sys.modules[name] = before


def test_the_table_of_mutants(capsys: pytest.CaptureFixture[str]) -> None:
    """Every mutant is killed; the table says by what."""
    table = []
    for venue, what, old, new in MUTANTS:
        mutant = _mutated(MODULES[venue], f"mutant_{venue}", old, new)
        table.append((venue, what, killed_by(mutant, venue, ALL[venue])))
    for what, old, new, venues in SHARED:
        shared = _mutated(decode, "mutant_decode", old, new)
        with _present("service.venues.decode", shared):
            for venue in venues:
                killer = killed_by(_again(venue), venue, ALL[venue])
                table.append((venue, f"shared: {what}", killer))
    with capsys.disabled():
        print()
        for venue, what, killer in table:
            print(f"{venue:13} {what:42} {killer or 'SURVIVED'}")
        print(f"{len(table)} mutants, {sum(killer is not None for *_, killer in table)} killed")
    assert [row for row in table if row[2] is None] == []


def _again(venue: str) -> ModuleType:
    """Return a venue's unchanged source, executed anew: it imports the shared module that is present."""
    return _mutated(MODULES[venue], f"again_{venue}", '__all__ = ["SPEC"', '__all__ = ["SPEC"')


@pytest.mark.parametrize("venue", list(MODULES))
def test_the_method_itself_harms_nothing(venue: str) -> None:
    """An unchanged module, executed as a mutant is, passes: so it is the change that kills."""
    module = _again(venue)
    assert [problems(module, venue, case) for case in ALL[venue]] == [[]] * len(ALL[venue])
