"""The cases of every venue there is, by venue: what the tests of all venues run over.

A venue brings `cases_<venue>.py` with `INSTRUMENTS`, `CASES`, `REFUSALS`, `GOOD` and `MUTANTS`, with `POLLED`
where a channel comes by REST only, and with `OPENING`, frames without which others cannot be read. `HISTORY`
are rows by kind of thirty days' history where they are not hourly marks, hourly open interest and funding
each eight hours; `IGNORES` is True where channels of the simulated venue carry frames that we do not want. A
venue that has no cases, or leaves a name out, stands in `MISSING`, which a test of its own wants empty.
"""

import importlib
import importlib.util
from types import ModuleType

from service.venue import Decoder
from service.venues.registry import VENUES
from streams.events import RowBuffer
from streams.instruments import Instrument
from tests.service.venues.cases import RECEIVED_NS, AnyCase, Case, Mutant

Good = dict[str, tuple[bytes, bytes, bytes]]

NAMES = ("INSTRUMENTS", "CASES", "REFUSALS", "GOOD", "MUTANTS")

#: What a venue's cases lack.
MISSING: dict[str, str] = {}


def _files() -> dict[str, ModuleType]:
    found = {}
    for venue in VENUES:
        name = f"{__name__.rpartition('.')[0]}.cases_{venue}"
        if importlib.util.find_spec(name) is None:
            MISSING[venue] = f"there is no {name}"
            continue
        module = importlib.import_module(name)
        lacks = [part for part in NAMES if not hasattr(module, part)]
        if lacks:
            MISSING[venue] = f"{name} has no {', '.join(lacks)}"
        else:
            found[venue] = module
    return found


FILES = _files()
INSTRUMENTS: dict[str, dict[str, Instrument]] = {v: m.INSTRUMENTS for v, m in FILES.items()}
CASES: dict[str, tuple[Case, ...]] = {v: tuple(m.CASES) for v, m in FILES.items()}
ALL: dict[str, tuple[AnyCase, ...]] = {
    v: (*m.CASES, *getattr(m, "POLLED", ())) for v, m in FILES.items()
}
REFUSALS: dict[str, tuple[bytes, ...]] = {v: tuple(m.REFUSALS) for v, m in FILES.items()}
GOOD: dict[str, Good] = {v: m.GOOD for v, m in FILES.items()}
MUTANTS: dict[str, tuple[Mutant, ...]] = {v: tuple(m.MUTANTS) for v, m in FILES.items()}
HISTORY: dict[str, dict[str, int]] = {
    v: m.HISTORY for v, m in FILES.items() if hasattr(m, "HISTORY")
}
IGNORES = frozenset(v for v, m in FILES.items() if getattr(m, "IGNORES", False))
OPENING: dict[str, tuple[bytes, ...]] = {v: getattr(m, "OPENING", ()) for v, m in FILES.items()}


def opened(venue: str) -> Decoder:
    """Return a new decoder that has read what frames of this venue need before them."""
    decoder, out = VENUES[venue].decoder(INSTRUMENTS[venue]), RowBuffer()
    for frame in OPENING[venue]:
        decoder.decode(frame, RECEIVED_NS, out)
    return decoder
