"""Runs one worker over the counting fold: the process that tests start, kill and start again.

``python -m tests.kafka.run_worker BOOTSTRAP GROUP STORE INSTANCE STATE_FILE``: STORE is `topic` or
a folder, INSTANCE a static member's name or `-`; the state file is rewritten ten times a second
with what the worker owns and knows.
"""

import asyncio
import signal
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from service.snapshots import FileStore
from service.worker import Worker, WorkerSettings
from tests.reference.counting_fold import CountingFactory


def _knowledge(worker: Worker) -> dict[str, Any]:
    if worker.processor is None:
        return {"assigned": False, "stats": {}, "lanes": {}}
    lanes = {
        str(lane.partition): {
            "offset": lane.next_offset - 1,
            "saved": lane.saved_offset,
            "hash": lane.engine.state_hash(),
        }
        for lane in worker.processor.lanes.values()
    }
    stats = msgspec.structs.asdict(worker.processor.stats)
    return {"assigned": worker.assigned, "stats": stats, "lanes": lanes}


async def _report(worker: Worker, path: Path) -> None:
    partial = path.with_suffix(".tmp")
    while True:
        partial.write_bytes(msgspec.json.encode(_knowledge(worker)))
        partial.replace(path)
        await asyncio.sleep(0.1)


async def _main() -> None:
    bootstrap, group, store, instance, state_file = sys.argv[1:]
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    settings = WorkerSettings(
        bootstrap=bootstrap,
        group_id=group,
        snapshot_interval_s=0.5,
        session_timeout_s=3.0,
        instance_id=None if instance == "-" else instance,
    )
    worker = Worker(
        settings,
        CountingFactory(),
        now_ns=time.time_ns,
        store=None if store == "topic" else FileStore(Path(store)),
    )
    report = asyncio.create_task(_report(worker, Path(state_file)))
    try:
        await worker.run(stop)
    finally:
        report.cancel()


if __name__ == "__main__":
    asyncio.run(_main())
