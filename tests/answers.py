"""The answer key's report: ``python -m tests.answers``, or ``make answers``.

One line for each file of recorded messages and venue that reads it: how many messages match the key, which
are not covered and why, and what is wrong. The exit code is 1 if anything is.
"""

import argparse
import os
import sys
from collections import Counter, defaultdict
from pathlib import Path

from tests.service.venues.answer_key import Line, lines

ROOT = Path(__file__).resolve().parent.parent


def shared_data_folder() -> Path:
    """Return where the recorded exchange data is kept, beside the project unless the environment says."""
    return Path(os.environ.get("TREADMILL_SHARED_DATA", ROOT.parent / "shared" / "data"))


def summary(of: list[Line]) -> str:
    """Return one file's outcome in a line."""
    counts = Counter(line.outcome for line in of)
    said = [f"{counts[outcome]} {outcome}" for outcome in ("matched", "uncovered", "wrong")]
    reasons = Counter(line.detail for line in of if line.outcome == "uncovered")
    if reasons:
        why = "; ".join(f"{reason} ({count})" for reason, count in reasons.most_common())
        said[1] += f": {why}"
    if of[0].message == "recording" and of[0].outcome == "matched":
        said.append(of[0].detail)
    return ", ".join(said)


def main() -> int:
    """Print the report; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.answers", description=__doc__)
    parser.add_argument("--shared", type=Path, default=shared_data_folder())
    shared = parser.parse_args().shared
    if not shared.is_dir():
        print(f"no recorded data at {shared}", file=sys.stderr)
        return 1
    files: dict[tuple[str, str], list[Line]] = defaultdict(list)
    for line in lines(shared):
        files[line.where, line.venue].append(line)
    total: Counter[str] = Counter()
    for (where, venue), of in sorted(files.items()):
        print(f"{where:58} {venue or '-':13} {summary(of)}")
        for line in of:
            total[line.outcome] += 1
            if line.outcome == "wrong":
                print(f"    WRONG {line.message}: {line.detail}")
    print(", ".join(f"{total[outcome]} {outcome}" for outcome in ("matched", "uncovered", "wrong")))
    return int(total["wrong"] > 0)


if __name__ == "__main__":
    sys.exit(main())
