"""Options: precedence of their sources, and one clear line for every way of getting one wrong."""

import re
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta

from service.configuration import (
    ORDERED,
    Option,
    describe,
    effective,
    load,
    require_venues,
)
from service.settings import METHOD_RANGES, Secret, Settings, SettingsError, VenueUrls
from streams.config import MethodConfig

OPTIONS = {option.name: option for option in describe()}


def example(option: Option) -> str:
    """Return the name of one variable that sets the option."""
    return option.env.replace("<VENUE>", "OKX")


def complaint(environ: dict[str, str], **kwargs: Any) -> str:
    """Return the one line that these sources are refused with."""
    with pytest.raises(SettingsError) as caught:
        load(environ, **kwargs)
    line = str(caught.value)
    assert "\n" not in line
    assert line
    return line


def test_without_sources_everything_is_its_default() -> None:
    assert load({}) == Settings()
    assert load({"PATH": "/bin", "TREADMILLX": "not ours"}) == Settings()


def test_command_line_over_environment_over_file(tmp_path: Path) -> None:
    file = tmp_path / "treadmill.toml"
    file.write_text(
        'http_port = 1\nlinger_s = 0.1\nblock_rows = 7\nunderlyings = ["BTC", "1*"]\n'
        "[kafka]\npartitions = 3\n[method]\nhawkes_self = [0.1, 0.1, 0.1]\n"
        '[venue_urls.okx]\nrest_url = "https://okx.example"\n'
    )
    environ = {
        "TREADMILL_CONFIG": str(file),
        "TREADMILL_HTTP_PORT": "2",
        "TREADMILL_LINGER_S": "0.2",
    }
    made = load(environ, overrides={"http_port": 3, "kafka.partitions": None})
    assert (made.http_port, made.linger_s, made.block_rows) == (3, 0.2, 7)
    assert made.underlyings == ("BTC", "1*")
    assert made.kafka.partitions == 3
    assert made.method == MethodConfig(hawkes_self=(0.1, 0.1, 0.1))
    assert made.venue_urls == {"okx": VenueUrls(rest_url="https://okx.example")}


def test_the_named_file_outranks_the_variable(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text("http_port = 5")
    assert load({"TREADMILL_CONFIG": "/absent"}, config=file).http_port == 5


def test_nested_variables() -> None:
    made = load(
        {
            "TREADMILL_KAFKA__BOOTSTRAP_SERVERS": "a:9092,b-1.example:9093",
            "TREADMILL_WARMUP_DAYS": "0",
            "TREADMILL_METHOD__HAWKES_SELF": "0.1, 0.2, 0.3",
            "TREADMILL_METHOD__BURST_MIN_EVENTS": "9",
            "TREADMILL_VENUE_URLS__OKX__WEBSOCKET_URL": "ws://127.0.0.1:8080/ws",
            "TREADMILL_SILENCE_S": "4.5",
            "TREADMILL_DATA_DIR": "/var/lib/treadmill",
        }
    )
    assert made.kafka.bootstrap_servers == "a:9092,b-1.example:9093"
    assert made.warmup_days == 0
    assert made.method.hawkes_self == (0.1, 0.2, 0.3)
    assert made.method.burst_min_events == 9
    assert made.venue_urls["okx"].websocket_url == "ws://127.0.0.1:8080/ws"
    assert made.silence_s == 4.5
    assert made.data_dir == Path("/var/lib/treadmill")


# the error matrix


@pytest.mark.parametrize("name", OPTIONS)
def test_a_value_of_another_kind(name: str) -> None:
    unusual = {"metrics_symbols": "not upper", "data_dir": "", "daily_files_dir": ""}
    wrong = unusual.get(name, "a b\n c")
    line = complaint({example(OPTIONS[name]): wrong})
    assert line.startswith(f"{example(OPTIONS[name])} = {wrong!r}: ")
    assert OPTIONS[name].range in line


@pytest.mark.parametrize("name", OPTIONS)
def test_a_value_of_another_kind_in_the_file(name: str, tmp_path: Path) -> None:
    *tables, key = name.replace("<venue>", "okx").split(".")
    file = tmp_path / "t.toml"
    file.write_text((f"[{'.'.join(tables)}]\n" if tables else "") + f"{key} = 1979-05-27\n")
    line = complaint({}, config=file)
    assert line.startswith(f"{file}: {name.replace('<venue>', 'okx')} = ")


def limits(option: Option) -> tuple[float, float] | None:
    """Return the lowest and highest number of a numeric option."""
    numbers = re.findall(r"-?[\d.]+(?:e-?\d+)?", option.range)
    words = re.search(r"^(\d+ numbers with commas, each )?\S+ to \S+$", option.range)
    return (float(numbers[-2]), float(numbers[-1])) if words else None


NUMBERS = [name for name, option in OPTIONS.items() if limits(option)]


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_out_of_range(name: str) -> None:
    option = OPTIONS[name]
    low, high = limits(option) or (0.0, 0.0)
    for number in (low - 1, high + 1, float("nan"), float("inf"), float("-inf")):
        text = f"{number:.0f}" if ".0" in f"{number:.1f}" else f"{number}"
        value = ",".join([text] * 3) if "numbers with commas" in option.range else text
        assert "to " in complaint({example(option): value})


def test_the_ranges_cover_every_number_and_not_only_some() -> None:
    fields = {info.name for info in msgspec.structs.fields(MethodConfig)}
    assert {f"method.{name}" for name in fields} <= set(NUMBERS)
    assert {"http_port", "silence_s", "kafka.partitions", "local_log_max_bytes"} <= set(NUMBERS)


@pytest.mark.parametrize("name", OPTIONS)
def test_a_name_that_is_no_option(name: str) -> None:
    variable = example(OPTIONS[name]) + "X"
    assert complaint({variable: "1"}).startswith(f"{variable} is no option: ")


def test_a_misspelt_name_is_told_the_right_one() -> None:
    assert complaint({"TREADMILL_HTTP_PROT": "1"}).endswith("did you mean TREADMILL_HTTP_PORT?")
    assert complaint({}, overrides={"http_prot": 1}) == (
        "--http-prot is no option: did you mean http_port?"
    )
    assert "see `treadmill config`" in complaint({"TREADMILL_ZZZZ": "1"})


@pytest.mark.parametrize(("text", "words"), [
    ("http_port = ", "is not TOML"),
    ("[kafka]\nretention = 1", "kafka.retention is no option"),
    ("kafka = 4", "kafka is no option"),
    ("[http_port]\na = 1", "http_port.a is no option"),
    ("[venue_urls.OKX]\nrest_url = 'https://okx.example'", "is no option"),
])  # fmt: skip
def test_a_file_that_cannot_be_used(text: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "t.toml"
    file.write_text(text)
    line = complaint({}, config=file)
    assert words in line
    assert str(file) in line


def test_a_file_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    assert "No such file" in complaint({"TREADMILL_CONFIG": str(tmp_path / "absent.toml")})
    assert "directory" in complaint({}, config=tmp_path)
    (tmp_path / "b.toml").write_bytes(b"\xff\xfe\x00")
    assert "is not TOML" in complaint({}, config=tmp_path / "b.toml")


@pytest.mark.parametrize("url", [
    "http://api.example.com", "ws://fstream.example.com/ws", "ftp://x", "https://user:pw@a.b", "https://",
    "https://a.b/\n", "https://a.b c", "http://127.0.0.1.example.com",
])  # fmt: skip
def test_plain_text_leaves_no_network(url: str) -> None:
    for key in ("REST_URL", "WEBSOCKET_URL"):
        assert "it has another form" in complaint({f"TREADMILL_VENUE_URLS__OKX__{key}": url})


@pytest.mark.parametrize("url", [
    "https://api.example.com/v5", "http://127.0.0.1:80", "http://[::1]:8080", "http://simulator:8080/okx",
    "http://localhost",
])  # fmt: skip
def test_addresses_that_may_be_used(url: str) -> None:
    made = load({"TREADMILL_VENUE_URLS__OKX__REST_URL": url})
    assert made.venue_urls["okx"].rest_url == url


@pytest.mark.parametrize(("_why", "lower", "higher"), ORDERED)
def test_options_that_contradict_each_other(_why: str, lower: str, higher: str) -> None:
    low, high = limits(OPTIONS[lower]) or (0, 0), limits(OPTIONS[higher]) or (0, 0)
    line = complaint({}, overrides={lower: low[1], higher: high[0]})
    assert lower in line
    assert higher in line


def test_excitation_must_die_out() -> None:
    line = complaint({"TREADMILL_METHOD__HAWKES_SELF": "0.5,0.3,0.2"})
    assert line.startswith("method.hawkes_self and method.hawkes_cross add up to 1.05: ")


@pytest.mark.parametrize("name", [
    "BINANCE_API_KEY", "BINANCE_API_SECRET", "BYBIT_API_KEY", "OKX_API_KEY", "OKX_PASSPHRASE",
    "OKX_SECRET_KEY", "BYBIT_TESTNET_APIKEY",
])  # fmt: skip
def test_exchange_keys_stop_the_start_and_are_not_shown(name: str) -> None:
    line = complaint({name: "k3y-v4lue"})
    assert name in line
    assert "Treadmill takes none" in line
    assert "k3y-v4lue" not in line


@pytest.mark.parametrize("environ", [
    {"TREADMILL_SERVICE_HOST": "10.0.0.1"}, {"TREADMILL_PORT_9464_TCP": "tcp://10.0.0.1:9464"},
    {"TREADMILL_PORT": "tcp://10.0.0.1:9464"},
])  # fmt: skip
def test_kubernetes_service_links_name_their_cure(environ: dict[str, str]) -> None:
    assert "enableServiceLinks: false" in complaint(environ)


def test_a_very_long_value_is_cut() -> None:
    assert len(complaint({"TREADMILL_HTTP_PORT": "9" * 10_000})) < 250


@given(
    st.dictionaries(st.sampled_from([example(o) for o in OPTIONS.values()]), st.text(max_size=20))
)
@settings(max_examples=150, deadline=None)
def test_any_text_is_taken_or_refused_in_one_line(environ: dict[str, str]) -> None:
    line = ""
    try:
        made = load(environ)
    except SettingsError as error:
        line = str(error)
        made = Settings()
    assert len(line.splitlines()) <= 1
    assert set(effective(made)) >= set(effective(Settings()))


def test_venues_must_have_a_module() -> None:
    known = set(Settings().venues)
    require_venues(Settings(), {*known, "other"})
    with pytest.raises(SettingsError, match="'okx', which has no module: use a"):
        require_venues(Settings(), known - {"okx"})
    with pytest.raises(SettingsError, match="venue_urls names 'kraken'"):
        require_venues(Settings(venue_urls={"kraken": VenueUrls()}), known)


@pytest.mark.parametrize("venue", Settings().venues)
def test_every_venue_can_be_reached_elsewhere(venue: str) -> None:
    made = load({f"TREADMILL_VENUE_URLS__{venue.upper()}__REST_URL": "http://127.0.0.1:80"})
    assert made.venue_urls == {venue: VenueUrls(rest_url="http://127.0.0.1:80")}


# what people see


def test_every_option_is_described() -> None:
    for option in OPTIONS.values():
        assert option.sentence.endswith("."), option.name
        assert option.range, option.name
        assert option.default, option.name
    assert OPTIONS["kafka.partitions"].env == "TREADMILL_KAFKA__PARTITIONS"
    assert OPTIONS["silence_s"][2:5] == ("unset", "s", "1 to 600")
    assert OPTIONS["method.hawkes_self"].default == "0.15,0.2,0.15"


def test_described_defaults_are_accepted_and_are_the_defaults() -> None:
    environ = {o.env: o.default for o in OPTIONS.values() if o.default != "unset"}
    assert load(environ) == Settings()


def test_method_ranges_are_all_reached() -> None:
    """A rule that decides for no field is a misspelling."""
    reached = {OPTIONS[name].sentence for name in OPTIONS if name.startswith("method.")}
    assert {rule.sentence for rule in METHOD_RANGES} == reached


def test_effective_names_are_the_options() -> None:
    names = {name for name in OPTIONS if "<venue>" not in name}
    assert set(effective(Settings())) == names
    shown = effective(load({"TREADMILL_VENUE_URLS__OKX__REST_URL": "http://x"}))
    assert shown["venue_urls.okx.rest_url"] == "http://x"
    assert shown["data_dir"] == "data"
    assert msgspec.json.decode(msgspec.json.encode(shown)) == shown


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """Options with something to hide."""

    password: Annotated[Secret, Meta(description="A password.")]


def test_secrets_do_not_print() -> None:
    login = Login(password=Secret("hunter2"))
    assert login.password.reveal() == "hunter2"
    for text in (repr(login), str(login.password), f"{login.password}", repr(effective(login))):
        assert "hunter2" not in text
        assert "***" in text
