"""Runs one worker over the counting fold: the process that tests start, kill and start again.

``python -m tests.kafka.run_worker BOOTSTRAP GROUP STORE INTERVAL_S STATE_FILE``: STORE is `topic` or a
folder; the state file is rewritten ten times a second with what the worker owns and knows.
"""

import asyncio
import json
import logging
import signal
import sys
import time
from pathlib import Path

from service.snapshots import FileStore
from service.worker import Worker, WorkerSettings
from tests.reference.counting_fold import CountingFactory


async def _report(worker: Worker, path: Path) -> None:
    while True:
        lanes = list(worker.processor.lanes.values()) if worker.processor else []
        report = {
            "assigned": worker.assigned,
            "stats": {
                name: getattr(worker.processor.stats, name)
                for name in worker.processor.stats.__struct_fields__
            } if worker.processor else {},
            "lanes": {
                lane.partition: {
                    "offset": lane.next_offset - 1, "hash": lane.engine.state_hash(),
                    "rows": lane.engine.rows, "saved": lane.saved_offset,
                } for lane in lanes
            },
        }  # fmt: skip
        partial = path.with_suffix(".tmp")
        partial.write_text(json.dumps(report))
        partial.replace(path)
        await asyncio.sleep(0.1)


async def _main() -> None:
    bootstrap, group, store, interval_s, state_file = sys.argv[1:]
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    worker = Worker(
        WorkerSettings(
            bootstrap=bootstrap,
            group_id=group,
            snapshot_interval_s=float(interval_s),
            session_timeout_s=3.0,
        ),
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
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    asyncio.run(_main())
