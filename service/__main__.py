"""The command line. Exit codes: 0 done, 1 our fault (with a traceback), 2 the operator's (one line)."""

import asyncio
import contextlib
import json
import os
import signal as signals
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from service import configuration, logs
from service.clock import WallClock
from service.settings import Settings, SettingsError

app = typer.Typer(
    name="treadmill",
    help="Watches crypto perpetual futures for the liquidation treadmill, with its evidence.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Config = Annotated[Path | None, typer.Option("--config", help="TOML file of settings.")]
Venues = Annotated[str | None, typer.Option("--venues", help="Exchanges, with commas.")]
Coins = Annotated[str | None, typer.Option("--underlyings", help="Coins; * and ? are wild.")]
Folder = Annotated[Path | None, typer.Option("--data-dir", help="Folder for logs and snapshots.")]
Speed = Annotated[float, typer.Option(min=1.0, max=200.0, help="Market seconds a second.")]
Port = Annotated[int | None, typer.Option("--http-port", help="Port of /metrics; 0 for any.")]


def _settings(config: Path | None, **overrides: Any) -> Settings:
    return configuration.load(os.environ, config=config, overrides=overrides)


def _until_stopped(work: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
    """Run until `work` ends or the operator asks to stop: once politely, twice at once."""

    async def supervised() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(work(stop))

        def ask() -> None:
            if stop.is_set():
                os._exit(130)
            stop.set()

        for number in (signals.SIGINT, signals.SIGTERM):
            loop.add_signal_handler(number, ask)
        await task

    asyncio.run(supervised())


async def _cancel_on(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Run `work` until it ends by itself, `stop` is set, or the caller is cancelled."""
    task, waiting = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _venues(settings: Settings) -> dict[str, Any]:
    from service.venues.registry import VENUES

    configuration.require_venues(settings, VENUES)
    configuration.require_folders(settings)
    return {name: VENUES[name] for name in settings.venues}


@app.command()
def demo(
    speed: Speed = 100.0,
    seed: Annotated[int, typer.Option(help="The market's seed.")] = 1,
    config: Config = None,
    http_port: Port = None,
) -> None:
    """Simulated exchanges through the whole service, in a terminal view. Needs nothing else."""
    from service.demo import Demo

    settings = _settings(config, http_port=http_port)
    logs.configure(level="error", form="console")
    console = Console()
    _load_kernels(console)
    show = Demo(settings, speed=speed, seed=seed)
    _until_stopped(lambda stop: _cancel_on(stop, show.run(console)))
    console.print("treadmill demo ended")


def _load_kernels(console: Console) -> None:
    """Compile, or load, every kernel before the clock of a market starts; tell of it if it takes long."""
    from service.kernels import compiled, load_kernels

    if compiled() or not console.is_terminal:
        load_kernels()
        return
    with console.status("compiling the kernels, once a machine: about two minutes on two cores"):
        load_kernels()


@app.command()
def run(
    venues: Venues = None,
    underlyings: Coins = None,
    config: Config = None,
    data_dir: Folder = None,
    http_port: Port = None,
) -> None:
    """Live venues, one process, no broker. Signals are JSON lines on standard output."""
    from service.embedded import EmbeddedRun
    from streams.signals import encode

    settings = _settings(
        config, venues=venues, underlyings=underlyings, data_dir=data_dir, http_port=http_port
    )
    logs.configure(level=settings.log_level, form=settings.log_format)
    _load_kernels(Console(stderr=True))

    def tell(signal: Any) -> None:
        sys.stdout.buffer.write(encode(signal) + b"\n")
        sys.stdout.buffer.flush()

    whole = EmbeddedRun(settings, _venues(settings), WallClock(), on_signal=tell)
    _until_stopped(lambda stop: _cancel_on(stop, whole.run()))


@app.command()
def ingest(
    venues: Venues = None, underlyings: Coins = None, config: Config = None, http_port: Port = None
) -> None:
    """Venues to the market log on Kafka."""
    from service.distributed import IngestHalf

    settings = _settings(config, venues=venues, underlyings=underlyings, http_port=http_port)
    logs.configure(level=settings.log_level, form=settings.log_format)
    half = IngestHalf(settings, _venues(settings), WallClock())
    _until_stopped(lambda stop: _cancel_on(stop, half.run()))


@app.command()
def process(config: Config = None, http_port: Port = None) -> None:
    """The market log to signals: one member of the processors' group."""
    from service.distributed import ProcessHalf

    settings = _settings(config, http_port=http_port)
    logs.configure(level=settings.log_level, form=settings.log_format)
    _load_kernels(Console(stderr=True))
    _until_stopped(ProcessHalf(settings, WallClock()).run)


@app.command()
def topics(config: Config = None) -> None:
    """Create the topics that are missing and verify the others."""
    from service.distributed import create_topics
    from streams.topics import TOPICS

    settings = _settings(config)
    logs.hush("aiokafka")
    created = set(asyncio.run(create_topics(settings)))
    for topic in TOPICS:
        count = settings.kafka.partitions if topic.partitions == "market" else 1
        what = "created" if topic.name in created else "as it should be"
        typer.echo(f"{topic.name:28} {count:3} partitions  {topic.cleanup:15} {what}")


@app.command()
def record(
    venues: Annotated[list[str], typer.Argument(help="Exchanges to listen to.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File, written gzipped.")],
    underlyings: Coins = None,
    seconds: Annotated[float | None, typer.Option(help="Stop after this long.")] = None,
    config: Config = None,
) -> None:
    """Raw frames with their received time into a file that `replay` reads."""
    from service.recorder import Recorder

    settings = _settings(config, venues=",".join(venues), underlyings=underlyings)
    if len(settings.venues) != 1:
        raise SettingsError("record one venue a file: a capture holds one venue's frames")
    logs.configure(level=settings.log_level, form=settings.log_format)
    recorder = Recorder(settings, _venues(settings), WallClock(), output)

    async def limited(stop: asyncio.Event) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(_cancel_on(stop, recorder.run()), seconds)

    _until_stopped(limited)
    typer.echo(f"{recorder.frames} frames in {output}", err=True)


@app.command()
def replay(
    files: Annotated[list[Path], typer.Argument(help="Captures, or folders of a local log.")],
    venue: Annotated[str | None, typer.Option(help="Whose frames; guessed from the path.")] = None,
    config: Config = None,
) -> None:
    """Recorded frames or a market log through the engine: signals as JSON lines on standard output."""
    from service.kernels import load_kernels
    from service.replay import replay_capture, replay_log, venue_of
    from service.venues.registry import VENUES
    from streams.engine import Engine
    from streams.signals import encode

    settings = _settings(config)
    logs.configure(level=settings.log_level, form=settings.log_format)
    for path in files:
        if not path.exists():
            raise SettingsError(f"{path}: no such file")
    engine = Engine(settings.method, replay=True)
    console = Console(stderr=True)
    said = 0

    def tell(signal: Any) -> None:
        nonlocal said
        said += 1
        sys.stdout.buffer.write(encode(signal) + b"\n")

    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), TextColumn("{task.fields[done]}"),
        TimeElapsedColumn(), console=console, transient=True,
        disable=not console.is_terminal,
    ) as progress:  # fmt: skip
        compiling = progress.add_task("compiling the kernels", total=None, done="")
        load_kernels(settings.method)
        progress.remove_task(compiling)
        begin = time.perf_counter()
        for path in files:
            task = progress.add_task(path.name, total=None, done="")

            def show(read: int, rows: int, task: Any = task) -> None:
                rate = rows / max(time.perf_counter() - begin, 1e-9)
                progress.update(task, done=f"{read:,} read, {rows:,} rows, {rate:,.0f} rows/s")

            if path.is_dir():
                facts: dict[str, Any] = {"blocks": replay_log(path, engine, tell, show)}
            else:
                whose = venue_of(path, venue, VENUES)
                facts = msgspec.to_builtins(replay_capture(path, whose, engine, tell, show))
            console.print_json(json.dumps({"file": path.name} | facts), indent=None)
    sys.stdout.buffer.flush()
    seconds = time.perf_counter() - begin
    rows = engine.counters["rows"]
    summary = {
        "rows": rows, "seconds": round(seconds, 3), "rows_per_s": round(rows / max(seconds, 1e-9)),
        "signals": said, "state_hash": engine.state_hash(), "counters": engine.counters,
    }  # fmt: skip
    console.print_json(json.dumps(summary), indent=None)


@app.command()
def tail(
    topic: Annotated[str, typer.Argument(help="A topic's name, or a local log's folder.")],
    last: Annotated[int, typer.Option(min=0, help="Records a partition to begin with.")] = 10,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new ones.")] = False,
    config: Config = None,
) -> None:
    """People-readable view of a topic or a local log, as JSON lines."""
    from service import tail as reading
    from service.topic_admin import topic_partitions

    def write(line: bytes) -> None:
        sys.stdout.buffer.write(line + b"\n")

    settings = _settings(config)
    logs.configure(level=settings.log_level, form=settings.log_format)
    if Path(topic).is_dir():
        if follow:
            raise SettingsError(f"{topic} is a folder, read once: --follow is for topics")
        reading.tail_folder(Path(topic), write, last=last)
        return
    wanted = reading.topic_named(topic)
    logs.hush("aiokafka")

    async def copy() -> None:
        partitions = topic_partitions(wanted, settings.kafka.partitions)
        where = settings.kafka.bootstrap_servers
        lines = reading.follow(where, wanted, partitions, last=last, forever=follow)
        async with contextlib.aclosing(lines):
            async for line in lines:
                write(line)
                sys.stdout.buffer.flush()

    _until_stopped(lambda stop: _cancel_on(stop, copy()))


@app.command(name="venues")
def show_venues(
    names: Annotated[list[str] | None, typer.Argument(help="Venues in full; without, all.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything declared, as JSON.")] = False,
) -> None:
    """Print what each venue gives: sides, units, completeness, gaps, and the evidence for it."""
    from service import venue_tables

    chosen = venue_tables.declared(names)
    if as_json:
        told = [venue_tables.details(name, one) for name, one in chosen.items()]
        typer.echo(msgspec.json.format(msgspec.json.encode(told)).decode())
        return
    console = Console()
    for heading, columns, rows in venue_tables.tables(chosen, in_full=bool(names)):
        table = Table(*columns, title=heading, title_justify="left")
        for row in rows:
            table.add_row(*row)
        console.print(table)


@app.command(name="config")
def show_config(
    config: Config = None,
    as_json: Annotated[bool, typer.Option("--json", help="Values only, as JSON.")] = False,
) -> None:
    """Print every option with its value in force, its range and what it does; exit 2 if one is wrong."""
    settings = _settings(config)
    _venues(settings)
    values = configuration.effective(settings)
    if as_json:
        typer.echo(json.dumps(values, default=str, indent=2))
        return
    from service.view import option_table

    console = Console()
    console.print(option_table(values, console), soft_wrap=not console.is_terminal)


def _complaint(error: Exception) -> str | None:
    """Return one line about an error that is the operator's to mend, None for one that is ours."""
    from service.bus import CorruptLog, LogInUse
    from service.kafka import BrokerUnreachable
    from service.topic_admin import TopicMismatch

    if isinstance(error, SettingsError | BrokerUnreachable | TopicMismatch | CorruptLog | LogInUse):
        return str(error)
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}; name another path"
    if type(error).__module__.startswith(("click", "typer")):  # usage errors bring their line
        say = getattr(error, "format_message", None)
        return None if say is None else str(say())
    return None


def main() -> None:
    """Run the command line; the operator's mistakes are one line and exit code 2."""
    try:
        app(standalone_mode=False)
        sys.stdout.flush()
    except typer.Abort:
        sys.exit(130)
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if (line := _complaint(error)) is None:
            raise
        if line:  # without arguments, help was all there was to say
            typer.echo(f"treadmill: {line}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
