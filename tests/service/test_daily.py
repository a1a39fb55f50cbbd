"""CME's daily settlements from files: days to rows, once each, and every kind of file that is none."""

import asyncio
import datetime as dt
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from service import configuration, daily
from service.clock import ScaledClock
from service.daily import DailyFiles, parse
from service.ingestion import Ingestion
from service.publisher import Publisher
from service.settings import SettingsError
from service.stats import MemoryStats
from service.telemetry import Telemetry
from service.venues.registry import VENUES
from streams.events import block_rows, row_to_dict
from streams.instruments import NAME_BYTES, stable_id
from tests.e2e.processes import environment
from tests.reference.toy_venue import ListSink
from tests.service.venues.cases import differences

HEADER = (
    "date,product,underlying,contract_coins,open_interest_contracts,volume_contracts,settlement_usd"
)
NOON_NS = 1_795_348_800 * 10**9  # 2026-11-22 12:00 UTC
DAY_NS = 86_400 * 10**9


class Noon:
    """A clock that stands until it is set."""

    speed = 1.0

    def __init__(self) -> None:
        self.ns = NOON_NS

    def now_ns(self) -> int:
        """Return what it was set to."""
        return self.ns

    async def sleep(self, seconds: float) -> None:
        """Go on at once."""
        self.ns += int(seconds * 1e9)
        await asyncio.sleep(0)


class Desk:
    """A folder with files, and whoever follows it."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.folder = folder
        self.clock = Noon()
        self.sink = ListSink()
        self.stats = MemoryStats()
        self.told: list[str] = []
        self.publisher = Publisher(self.sink, 4)
        self.files = DailyFiles(
            folder, self.publisher, self.clock, self.stats,
            tell=lambda _venue, known: self.told.extend(one.symbol for one in known), **options,
        )  # fmt: skip

    def put(self, *lines: str, name: str = "a.csv", header: str = HEADER) -> None:
        """Write a file."""
        (self.folder / name).write_text("\n".join([header, *lines, ""]))

    async def look(self) -> list[dict[str, Any]]:
        """Look once; return the rows of open interest that were published."""
        self.sink.blocks.clear()
        await self.files.once()
        await self.publisher.flush()
        return [row for row in self.rows() if row["kind"] == "open_interest"]

    def rows(self) -> list[dict[str, Any]]:
        """Return all rows of the last look."""
        return [row_to_dict(row) for _, block in self.sink.blocks for row in block_rows(block)]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Return an empty folder, followed."""
    return Desk(tmp_path)


BTC = "2026-11-20,BTC,BTC,5,23145,9876,91250.5"


async def test_a_day_is_a_contract_and_its_open_interest(desk: Desk) -> None:
    desk.put(BTC)
    (held,) = await desk.look()
    key = stable_id("cme", "BTC")
    wanted = {  # 23145 * 5 = 115725 coins; * 91250.5 = 10,559,964,112.5 USD
        "instrument": key,
        "quantity": 115_725.0,
        "notional_usd": 10_559_964_112.5,
        "mark_price": 91_250.5,
        "exchange_ns": 1_795_208_400 * 10**9,  # 2026-11-20 21:00 UTC
        "received_ns": NOON_NS,
        "flags": [],
    }
    assert differences(wanted, held) == []
    contract = next(row for row in desk.rows() if row["kind"] == "instrument")
    wanted = {
        "instrument": key, "underlying": "BTC", "venue": "cme", "flags": ["regulated"], "sequence": 0,
        "quote": "usd",
    }  # fmt: skip
    assert differences(wanted, contract) == []
    assert [row["channels"] for row in desk.rows() if row["kind"] == "feed_up"] == [8]
    kinds = [row["kind"] for row in desk.rows()]
    assert kinds.index("instrument") < kinds.index("open_interest")
    assert desk.told == ["BTC"]
    assert desk.stats.frames["cme", "open_interest"] == 1
    spec = desk.files.instruments["BTC"]
    assert (spec.coin(1, 0.0), spec.quote, spec.market) == (5.0, "USD", "regulated")


async def test_the_same_day_is_said_once_and_contracts_each_minute(desk: Desk) -> None:
    desk.put(BTC)
    assert len(await desk.look()) == 1
    assert await desk.look() == []
    assert [row["kind"] for row in desk.rows()] == ["instrument"]
    desk.put(BTC, BTC, name="b.csv")
    desk.put(BTC, "")
    assert await desk.look() == [], "in another file, or touched"
    desk.put("2026-11-20,BTC,BTC,5,23150,9876,91250.5")
    (corrected,) = await desk.look()
    assert corrected["quantity"] == 115_750.0


async def test_only_the_newest_day_is_no_history(desk: Desk) -> None:
    desk.put(
        "2026-11-20,BTC,BTC,5,3,0,90000",
        "2026-11-18,BTC,BTC,5,1,0,90000",
        "2026-11-19,BTC,BTC,5,2,0,90000",
        "2026-11-19,MBT,BTC,0.1,10,0,90000",
        "2026-11-19,MET,ETH,0.1,10,0,3000",
    )
    rows = await desk.look()
    said = {(row["instrument"], row["quantity"]): row["flags"] == ["backfill"] for row in rows}
    ids = {product: stable_id("cme", product) for product in ("BTC", "MBT", "MET")}
    assert said == {
        (ids["BTC"], 5.0): True,
        (ids["BTC"], 10.0): True,
        (ids["BTC"], 15.0): False,
        (ids["MBT"], 1.0): False,
        (ids["MET"], 1.0): False,
    }
    desk.put("2026-11-17,BTC,BTC,5,9,0,90000", name="late.csv")
    (late,) = await desk.look()
    assert late["flags"] == ["backfill"]


async def test_a_day_ahead_waits_for_its_settlement(desk: Desk) -> None:
    desk.put("2026-11-22,BTC,BTC,5,2,0,90000", BTC)
    (held,) = await desk.look()
    assert (held["quantity"], held["flags"]) == (115_725.0, [])
    desk.clock.ns = NOON_NS + 9 * 3600 * 10**9 - 1
    assert await desk.look() == []
    desk.clock.ns += 1
    (today,) = await desk.look()
    assert (today["quantity"], today["exchange_ns"]) == (10.0, desk.clock.ns)
    assert desk.stats.rejects == {}


async def test_coins_that_nobody_wants_are_left_out(tmp_path: Path) -> None:
    desk = Desk(tmp_path, wanted=lambda coin: coin == "ETH")
    desk.put(BTC, "2026-11-20,ETH,ETH,50,100,5,3000")
    (held,) = await desk.look()
    assert held["instrument"] == stable_id("cme", "ETH")
    assert desk.stats.rejects == {}


BAD = [
    ("2026-11-20,BTC,BTC,5,23145,9876", "6 fields"),
    ("2026-11-20,BTC,BTC,5,23145,9876,1,2", "8 fields"),
    ("20.11.2026,BTC,BTC,5,1,1,1", "date"),
    ("2026-02-30,BTC,BTC,5,1,1,1", "date"),
    ("1926-11-20,BTC,BTC,5,1,1,1", "year 1926"),
    ("2126-11-20,BTC,BTC,5,1,1,1", "year 2126"),
    ("2026-11-20,btc,BTC,5,1,1,1", "product"),
    ("2026-11-20,,BTC,5,1,1,1", "product"),
    ("2026-11-20,BTC,1000NEW,5,1,1,1", "no table of names"),
    ("2026-11-20,BTC,XBT,5,1,1,1", "no table of names"),
    ("2026-11-20,BTC,BTC,0,1,1,1", "contract_coins '0'"),
    ("2026-11-20,BTC,BTC,-5,1,1,1", "contract_coins"),
    ("2026-11-20,BTC,BTC,1e3,1,1,1", "contract_coins"),
    ("2026-11-20,BTC,BTC,,1,1,1", "contract_coins"),
    ("2026-11-20,BTC,BTC,5,-1,1,1", "open_interest_contracts"),
    ("2026-11-20,BTC,BTC,5,nan,1,1", "open_interest_contracts"),
    ("2026-11-20,BTC,BTC,5,1e400,1,1", "open_interest_contracts"),
    ("2026-11-20,BTC,BTC,5,1,many,1", "volume_contracts"),
    ('2026-11-20,BTC,BTC,5,"1,000",1,1', "open_interest_contracts"),
    ("2026-11-20,BTC,BTC,5,1,1,0", "settlement_usd"),
    ("2026-11-20,BTC,BTC,5,1,1,", "settlement_usd"),
]


@pytest.mark.parametrize(("line", "why"), BAD)
async def test_a_bad_line_is_named_and_the_others_are_read(desk: Desk, line: str, why: str) -> None:
    desk.put("", BTC, line, line)
    with capture_logs() as logged:
        assert len(await desk.look()) == 1
        assert await desk.look() == []
    (said,) = (entry for entry in logged if entry["event"].startswith("daily"))
    assert (said["event"], said["file"], said["lines"], said["line"]) == (
        "daily_lines_bad", "a.csv", 2, 4,
    )  # fmt: skip
    assert why in said["why"]
    assert "\n" not in said["why"]
    assert desk.stats.rejects == {("cme", "line"): 2}


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "line 1 must be date,product"),
        (b"date;product\n", "line 1 must be date,product"),
        (HEADER.replace("date", "day").encode(), "line 1 must be"),
        (HEADER.encode() + b"\n\xff\xfe", "is no UTF-8"),
        (HEADER.encode("utf-16"), "is no UTF-8"),
        (b"x" * (daily.FILE_MAX_BYTES + 1), "more than 4194304 bytes"),
        ((HEADER + "\n" + f"{BTC}\n" * daily.FILE_MAX_LINES).encode(), "more than 50000 lines"),
        ((HEADER + "\n" + "x" * 200_000).encode(), "line 2: field larger"),
    ],
)
async def test_a_file_that_is_none_is_one_line(desk: Desk, raw: bytes, why: str) -> None:
    desk.put(BTC, name="good.csv")
    (desk.folder / "bad.csv").write_bytes(raw)
    with capture_logs() as logged:
        assert len(await desk.look()) == 1
        assert await desk.look() == []
    (said,) = (entry for entry in logged if entry["event"].startswith("daily"))
    assert (said["event"], said["what"]) == ("daily_file_unusable", "bad.csv")
    assert why in said["why"]
    assert desk.stats.rejects == {("cme", "file"): 1}
    desk.put("2026-11-21,BTC,BTC,5,1,1,1", name="bad.csv")
    assert len(await desk.look()) == 1, "mended"


async def test_a_file_that_cannot_be_read_is_tried_again(desk: Desk) -> None:
    (desk.folder / "a.csv").mkdir()
    (desk.folder / "b.csv").symlink_to(desk.folder / "nowhere")
    with capture_logs() as logged:
        assert await desk.look() == []
        assert await desk.look() == []
    said = {entry["what"]: entry["why"] for entry in logged}
    assert len(logged) == 2
    assert said == {"a.csv": "Is a directory", "b.csv": "No such file or directory"}
    (desk.folder / "nowhere").write_text(f"{HEADER}\n{BTC}\n")
    assert len(await desk.look()) == 1


async def test_what_a_spreadsheet_writes_is_read(desk: Desk) -> None:
    text = f"{HEADER}\n{BTC}\n".replace("\n", "\r\n").replace(",", " , ")
    (desk.folder / "a.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    (desk.folder / "notes.txt").write_text("not ours")
    assert len(await desk.look()) == 1


async def test_a_product_stays_of_its_coin(desk: Desk) -> None:
    desk.put(BTC, "2026-11-21,BTC,ETH,5,1,1,3000")
    with capture_logs() as logged:
        assert len(await desk.look()) == 1
    assert [entry["why"] for entry in logged] == ["is of BTC, not of ETH"]
    assert desk.stats.rejects == {("cme", "line"): 1}


async def test_a_folder_that_goes_away_and_comes_back(desk: Desk) -> None:
    desk.put(BTC)
    await desk.look()
    moved = desk.folder.rename(desk.folder.with_name("moved"))
    with capture_logs() as logged:
        assert await desk.look() == []
        assert [row["kind"] for row in desk.rows()] == ["instrument", "feed_down"]
        await desk.look()
    assert [(entry["event"], entry["why"]) for entry in logged] == [
        ("daily_folder_unusable", "no such folder")
    ]
    moved.rename(desk.folder)
    assert await desk.look() == [], "the day is known"
    assert [row["kind"] for row in desk.rows()] == ["instrument", "gap", "feed_up"]


async def test_what_is_kept_is_bounded(tmp_path: Path) -> None:
    desk = Desk(tmp_path, days_max=3)
    for number in range(daily.FILES_MAX + 1):
        day = dt.date(2024, 1, 1) + dt.timedelta(days=number)
        desk.put(f"{day},BTC,BTC,5,1,1,1", name=f"{number:04}.csv")
    with capture_logs() as logged:
        rows = await desk.look()
    assert [row["exchange_ns"] // 10**9 for row in rows] == [
        1_704_142_800 + day * 86_400 for day in (1, 2, 3)
    ], "not the first file, and no more than may be kept"
    assert [entry["why"] for entry in logged] == [
        "501 files, only the last 500 are read", "only 3 are kept",
    ]  # fmt: skip


async def test_many_days_wait_for_a_slow_sink(desk: Desk) -> None:
    first = dt.date(2016, 1, 1)
    desk.put(
        *(f"{first + dt.timedelta(days=n)},P{p},BTC,5,1,1,1" for n in range(3000) for p in range(6))
    )
    rows = await desk.look()
    assert len(rows) == 18_000
    assert len(desk.sink.blocks) > 1
    assert sum(not row["flags"] for row in rows) == 6


async def test_it_runs_beside_the_venues_and_is_in_the_metrics(tmp_path: Path) -> None:
    folder = tmp_path / "daily"
    folder.mkdir()
    clock = ScaledClock(NOON_NS, 200.0)
    settings = configuration.load({
        "TREADMILL_DAILY_FILES_DIR": str(folder), "TREADMILL_DATA_DIR": str(tmp_path),
        "TREADMILL_VENUES": "okx", "TREADMILL_UNDERLYINGS": "BTC",
        "TREADMILL_VENUE_URLS__OKX__REST_URL": "http://127.0.0.1:9",
    })  # fmt: skip
    telemetry, sink = Telemetry(clock.now_ns), ListSink()
    publisher = Publisher(sink, 1)
    ingestion = Ingestion(settings, {"okx": VENUES["okx"]}, publisher, clock, telemetry)
    running = [asyncio.create_task(publisher.run()), asyncio.create_task(ingestion.run())]
    (folder / "a.csv").write_text(f"{HEADER}\n{BTC}\n2026-11-20,ETH,ETH,50,1,1,1\n")

    def value(name: str, **labels: str) -> float | None:
        return telemetry.value(f"treadmill_{name}", venue="cme", **labels)

    async with asyncio.timeout(10):
        while not value("events_total", kind="open_interest"):
            await asyncio.sleep(0.02)
    ingestion.report(telemetry)
    assert value("events_total", kind="open_interest") == 1
    assert value("feed_up", channel="open_interest") == 1
    assert value("feed_up", channel="trade") is None
    assert value("websocket_connected") is None, "files have none"
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    await publisher.flush()
    rows = [row_to_dict(row) for _, block in sink.blocks for row in block_rows(block)]
    assert [row["reason"] for row in rows if row["kind"] == "feed_down"] == [5]
    assert len([row for row in rows if row["kind"] == "open_interest"]) == 1


def test_without_the_option_there_is_nothing(tmp_path: Path) -> None:
    settings = configuration.load({})
    assert settings.daily_files_dir is None
    configuration.require_folders(settings)
    for bad in (tmp_path / "absent", tmp_path / "file"):
        (tmp_path / "file").write_text("")
        made = configuration.load({"TREADMILL_DAILY_FILES_DIR": str(bad)})
        with pytest.raises(SettingsError, match="no such folder; make it or unset it"):
            configuration.require_folders(made)


def test_config_says_that_the_folder_is_missing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "service", "config"],
        capture_output=True, check=False, timeout=90, cwd=tmp_path,
        env=environment(DAILY_FILES_DIR=tmp_path / "absent"),
    )  # fmt: skip
    assert done.returncode == 2
    assert b"daily_files_dir" in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_what_the_table_of_venues_needs() -> None:
    assert len(daily.NAME) <= NAME_BYTES
    assert daily.NAME not in VENUES
    held = daily.SEMANTICS.open_interest
    assert held is not None
    assert (held.source, held.unit, held.sides) == ("file", "contracts", 1)
    assert daily.SEMANTICS.market == "regulated"


def test_a_file_of_ten_years_is_parsed_in_order() -> None:
    lines = [f"2026-11-{1 + n % 28:02},BTC,BTC,5,{n},0,1" for n in range(1000)]
    days, bad = parse("\n".join([HEADER, *lines]).encode())
    assert [day.open_interest_contracts for day in days] == list(range(1000))
    assert bad == []
