import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.bus import CorruptLog, EmbeddedBus, LocalLog, LogInUse, read_log
from streams.events import ROW_BYTES
from streams.signals import Signal, signal_id


def block(number: int, rows: int = 1) -> bytes:
    return number.to_bytes(8, "little") * (8 * rows)


class HashEngine:
    """A real fold, only a small one: a running hash, and a signal at every third block."""

    def __init__(self, state: bytes = b"", offset: int = -1) -> None:
        self.state = state
        self.offset = offset

    def fold(self, block: bytes, offset: int) -> list[Signal]:
        """Chain the hash."""
        assert offset > self.offset
        self.state = hashlib.sha256(self.state + block).digest()
        self.offset = offset
        return [self._signal(offset)] if offset % 3 == 0 else []

    @staticmethod
    def _signal(offset: int) -> Signal:
        return Signal(
            id=signal_id("BTC", "long", "state", offset), seq=offset, kind="state", symbol="BTC",
            side="long", name="calm", status="on", previous=None, asof="", since="",
            valid_until=None, trigger_event_ts=None, evidence=[], context={}, coverage=None,
            quality=[], config_hash="", code_version="", replay=False,
        )  # fmt: skip

    def snapshot(self) -> bytes:
        """Return offset and hash."""
        return self.offset.to_bytes(8, "little", signed=True) + self.state

    @classmethod
    def restore(cls, data: bytes) -> "HashEngine":
        """Read a snapshot."""
        return cls(data[8:], int.from_bytes(data[:8], "little", signed=True))


def test_what_is_appended_is_read_back(tmp_path: Path) -> None:
    log = LocalLog(tmp_path / "log")
    blocks = [block(i, 1 + i % 3) for i in range(10)]
    assert [log.append(one) for one in blocks] == list(range(10))
    assert list(log.read(0)) == list(enumerate(blocks))
    assert list(log.read(7)) == [(7, blocks[7]), (8, blocks[8]), (9, blocks[9])]
    assert list(log.read(10)) == []
    log.close()
    log.close()
    again = LocalLog(tmp_path / "log")
    assert again.next_index == 10
    assert again.torn_bytes == 0
    assert again.append(block(10)) == 10
    assert [index for index, _ in again.read(8)] == [8, 9, 10]
    again.close()


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(1, 400), more=st.booleans())
def test_a_torn_tail_is_cut_off_and_counted(
    tmp_path_factory: pytest.TempPathFactory, cut: int, more: bool
) -> None:
    folder = tmp_path_factory.mktemp("log")
    log = LocalLog(folder)
    for i in range(6):
        log.append(block(i))
    log.close()
    path = next(folder.glob("*.log"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    survivors = max(0, 6 - -(-cut // (8 + ROW_BYTES)))
    assert [index for index, _ in read_log(folder)] == list(range(survivors))
    torn = LocalLog(folder)
    assert torn.next_index == survivors
    kept = survivors * (8 + ROW_BYTES)
    assert torn.torn_bytes == len(whole) - cut - 20 - kept if len(whole) - cut >= 20 else True
    if more:
        torn.append(block(99))
        assert [one for _, one in torn.read(survivors)] == [block(99)]
    torn.close()


@pytest.mark.parametrize("at", [22, 26, 30, 60])
def test_a_flipped_byte_ends_the_log_before_it(tmp_path: Path, at: int) -> None:
    log = LocalLog(tmp_path)
    for i in range(3):
        log.append(block(i))
    log.close()
    path = next(tmp_path.glob("*.log"))
    data = bytearray(path.read_bytes())
    data[at + 72] ^= 0xFF  # in the second block
    path.write_bytes(data)
    damaged = LocalLog(tmp_path)
    assert damaged.next_index == 1
    assert damaged.torn_bytes == 2 * 72
    damaged.close()


def test_segments_roll_and_retention_takes_the_oldest(tmp_path: Path) -> None:
    log = LocalLog(tmp_path, segment_bytes=500, keep_bytes=2000)
    for i in range(200):
        log.append(block(i))
    total = sum(path.stat().st_size for path in tmp_path.glob("*.log"))
    assert total <= 2000 + 600
    assert log.first_index > 150
    assert [index for index, _ in log.read(0)] == list(range(log.first_index, 200))
    assert [index for index, _ in log.read(190)] == list(range(190, 200))
    log.close()
    again = LocalLog(tmp_path, segment_bytes=500)
    assert again.next_index == 200
    again.close()


def test_damage_between_good_segments_is_an_error_and_never_skipped(tmp_path: Path) -> None:
    log = LocalLog(tmp_path, segment_bytes=200)
    for i in range(10):
        log.append(block(i))
    log.close()
    first = min(tmp_path.glob("*.log"))
    data = bytearray(first.read_bytes())
    data[40] ^= 1
    first.write_bytes(data)
    with pytest.raises(CorruptLog, match="block 0 is damaged"):
        list(read_log(tmp_path))


def test_a_foreign_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / f"{0:020d}.log").write_bytes(b"something else entirely, and long enough")
    with pytest.raises(CorruptLog, match=r"0\.log is no segment"):
        LocalLog(tmp_path)


def test_a_segment_that_died_being_created_is_started_again(tmp_path: Path) -> None:
    (tmp_path / f"{7:020d}.log").write_bytes(b"TREAD")
    assert list(read_log(tmp_path)) == []
    log = LocalLog(tmp_path)
    assert log.torn_bytes == 5
    assert log.append(block(7)) == 7
    log.close()


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    log = LocalLog(tmp_path)
    log.append(block(0))
    with pytest.raises(LogInUse, match="another process"):
        LocalLog(tmp_path)
    assert list(read_log(tmp_path)) == [(0, block(0))]
    log.close()
    LocalLog(tmp_path).close()


async def test_restart_from_any_snapshot_gives_the_same_state_and_signals(tmp_path: Path) -> None:
    signals: list[Signal] = []
    bus = EmbeddedBus(HashEngine(), LocalLog(tmp_path), signals.extend)
    snapshots = [bus.engine.snapshot()]
    for i in range(10):
        await bus.put(0, block(i))
        snapshots.append(bus.engine.snapshot())
    await bus.flush()
    await bus.close()
    for taken, snapshot in enumerate(snapshots):
        again: list[Signal] = []
        restarted = EmbeddedBus(HashEngine.restore(snapshot), LocalLog(tmp_path), again.extend)
        recovery = restarted.recover()
        assert (recovery.folded, recovery.missing) == (10 - taken, 0)
        assert restarted.engine.snapshot() == snapshots[-1]
        assert again == [one for one in signals if one.seq >= taken]
        await restarted.close()


async def test_a_snapshot_newer_than_the_log_skips_the_indices_it_covers(tmp_path: Path) -> None:
    log = LocalLog(tmp_path)
    for i in range(3):
        log.append(block(i))
    bus = EmbeddedBus(HashEngine(b"state", 9), log, lambda _: None)
    assert bus.recover().folded == 0
    await bus.put(0, block(10))
    assert bus.engine.offset == 10
    assert [index for index, _ in log.read(0)] == [0, 1, 2, 10]
    await bus.close()
    fresh = EmbeddedBus(HashEngine(), LocalLog(tmp_path), lambda _: None)
    assert fresh.recover().missing == 7
    await fresh.close()


async def test_without_a_log_blocks_are_numbered() -> None:
    signals: list[Signal] = []
    bus = EmbeddedBus(HashEngine(), None, signals.extend)
    assert bus.recover().folded == 0
    for i in range(4):
        await bus.put(0, block(i))
    await bus.flush()
    await bus.close()
    assert [one.seq for one in signals] == [0, 3]
    with pytest.raises(ValueError, match="partition 1"):
        await bus.put(1, block(5))


def test_a_full_disk_leaves_the_log_as_it_was(tmp_path: Path) -> None:
    device = Path("/dev/full")
    if not device.exists():
        pytest.skip("no /dev/full on this system")
    log = LocalLog(tmp_path)
    log.append(block(0))
    import resource
    import signal as signals

    size = next(tmp_path.glob("*.log")).stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signals.signal(signals.SIGXFSZ, signals.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 30, before[1]))
    try:
        with pytest.raises(OSError, match=r"disk full|File too large"):
            log.append(block(1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signals.signal(signals.SIGXFSZ, ignored)
    assert log.append(block(2)) == 1
    assert list(log.read(0)) == [(0, block(0)), (1, block(2))]
    log.close()
