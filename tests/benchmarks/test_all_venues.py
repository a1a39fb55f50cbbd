"""All venues at once, for a moment and slowly: nothing is lost, refused or misunderstood."""

from service.simulator.faces import FACES
from tests.benchmarks.all_venues import by_venue, into_a_count, observe, summary

FRAMES_PER_S = 1500.0
SECONDS = 3.0


async def test_every_frame_of_every_venue_becomes_its_rows() -> None:
    result = await observe("smoke", into_a_count, FRAMES_PER_S, SECONDS)
    sent = result.report.venues
    assert result.faults == dict.fromkeys(result.faults, 0)
    assert set(sent) == set(FACES)
    assert sum(one.instruments for one in sent.values()) >= 600
    assert all(one.trades for one in sent.values())
    assert sum(one.liquidations for one in sent.values()) > 0
    assert result.report.frames > FRAMES_PER_S
    assert by_venue(result).row_count == len(FACES)
    assert summary([result]).row_count > 10
