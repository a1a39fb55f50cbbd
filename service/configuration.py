"""Where option values come from, and how they are shown.

Defaults are overridden by a TOML file, that by the environment, that by the command line. Every
value is checked by itself, so that a complaint names the one variable or key it came from. Nothing
here looks at the process's own environment: the caller hands it in.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from types import GenericAlias
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeVar, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from service.settings import METHOD_RANGES, Secret, Settings, SettingsError

PREFIX: Final = "TREADMILL_"
#: Variables with our prefix that are no options: where the file is, and one that only tests read.
OTHER_VARIABLES: Final = frozenset({"TREADMILL_CONFIG", "TREADMILL_SHARED_DATA"})
#: Market data is public. A key in our environment could only leak, so its presence stops the start.
EXCHANGE_KEYS: Final = re.compile(
    r"(BINANCE|BYBIT|OKX|OKEX)_(\w+_)?(API_?KEY|SECRET|PASSPHRASE)(_\w+)?"
)
#: What Kubernetes puts into every pod beside a service that has our name.
SERVICE_LINK: Final = re.compile(r"_SERVICE_|_PORT_\d+_|=[a-z]+://")
#: Options that must not decrease in this order. The first of each triple is what to say.
ORDERED: Final = (
    ("every write would be refused", "kafka.min_insync_replicas", "kafka.replication_factor"),
    ("a state would be left as it is entered", "method.calm_enter", "method.calm_exit"),
    ("a state would be left as it is entered", "method.crowded_exit", "method.crowded_enter"),
    ("a state would be left as it is entered", "method.fragile_exit", "method.fragile_enter"),
    ("a state would be left as it is entered", "method.cascade_oi_enter", "method.cascade_oi_exit"),
    (
        "a breaker would be lost as it is made",
        "method.reset_releverage",
        "method.reset_releverage_exit",
    ),
    (
        "a breaker would be lost as it is made",
        "method.reset_stress_high",
        "method.reset_stress_exit",
    ),
    (
        "a breaker would be lost as it is made",
        "method.absorption_flow_exit",
        "method.absorption_flow",
    ),
    ("a breaker would be lost as it is made", "method.regime_exit_high", "method.regime_expansion"),
    (
        "a breaker would be lost as it is made",
        "method.regime_compression",
        "method.regime_exit_low",
    ),
    ("no stress would be between", "method.reset_stress_low", "method.reset_stress_high"),
    ("a flush would also be a failure", "method.flushed_fail_drop", "method.flushed_oi_drop"),
)

S = TypeVar("S", bound=Struct)


class Option(NamedTuple):
    """One option as people see it. A venue's name in `name` and `env` is written ``<venue>``."""

    name: str
    env: str
    default: str
    unit: str
    range: str
    sentence: str
    type: Any


class _Given(NamedTuple):
    origin: str
    name: str
    value: Any


def load(
    environ: Mapping[str, str],
    *,
    config: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Settings:
    """Return the settings in force.

    `config` outranks ``TREADMILL_CONFIG``. `overrides` are the command line's, by dotted name; None
    means that the flag was not given. Text is read by the option's type, lists with commas.

    Raises:
        SettingsError: a value, a name or their combination cannot be used.

    >>> settings = load({"TREADMILL_UNDERLYINGS": "BTC,SOL"}, overrides={"kafka.partitions": 8})
    >>> settings.underlyings, settings.kafka.partitions
    (('BTC', 'SOL'), 8)
    """
    _refuse_exchange_keys(environ)
    file = config or environ.get("TREADMILL_CONFIG")
    table = {option.name: option for option in describe()}
    values: dict[str, Any] = {}
    for given in (
        *(_from_file(Path(file)) if file else ()),
        *_from_environment(environ),
        *_from_overrides(overrides or {}),
    ):
        values[given.name] = _converted(given, _find(given, table))
    settings = _built(Settings, "", values)
    _check_together(settings)
    return settings


def require_venues(settings: Settings, known: Collection[str]) -> None:
    """Check that every venue named in the settings has a module.

    Raises:
        SettingsError: one has none.
    """
    for name, venues in (("venues", settings.venues), ("venue_urls", settings.venue_urls)):
        for venue in venues:
            if venue not in known:
                raise SettingsError(
                    f"{name} names {venue!r}, which has no module: use {', '.join(sorted(known))}"
                )


def require_folders(settings: Settings) -> None:
    """Check that the folders the operator provides are there.

    Raises:
        SettingsError: one is not, or cannot be listed.
    """
    folder = settings.daily_files_dir
    if folder is None:
        return
    if not folder.is_dir():
        raise SettingsError(
            f"daily_files_dir = {str(folder)!r}: no such folder; make it or unset it"
        )
    if not os.access(folder, os.R_OK | os.X_OK):
        raise SettingsError(f"daily_files_dir = {str(folder)!r}: cannot be listed; permit it")


def chosen(globs: Collection[str], name: str) -> bool:
    """Say whether `name` matches one of the globs.

    >>> chosen(("BTC", "1*"), "1INCH"), chosen(("BTC", "1*"), "ETH")
    (True, False)
    """
    return any(fnmatchcase(name, glob) for glob in globs)


def describe() -> list[Option]:
    """Return every option in the order of declaration."""
    return list(_options(Settings, ""))


def effective(settings: Struct, prefix: str = "") -> dict[str, Any]:
    """Return the values in force by dotted name, secrets starred, for logs and people."""
    out: dict[str, Any] = {}
    for info in msgspec.structs.fields(settings):
        value, name = getattr(settings, info.name), prefix + info.name
        if isinstance(value, Struct):
            out |= effective(value, name + ".")
        elif isinstance(value, dict):
            for key, child in value.items():
                out |= effective(child, f"{name}.{key}.")
        else:
            out[name] = _plain(value)
    return out


def _plain(value: Any) -> Any:
    if isinstance(value, Secret):
        return "***"
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, Path) else value


# What there is


def _options(struct: type[Struct], prefix: str) -> Iterator[Option]:
    for info in msgspec.structs.fields(struct):
        name = prefix + info.name
        if isinstance(info.type, type) and issubclass(info.type, Struct):
            yield from _options(info.type, name + ".")
        elif get_origin(info.type) is dict:
            yield from _options(get_args(info.type)[1], name + ".<venue>.")
        else:
            yield _option(name, info)


def _option(name: str, info: msgspec.structs.FieldInfo) -> Option:
    kind = _method_type(info) if name.startswith("method.") else info.type
    base, meta = _unwrapped(kind)
    extra = meta.extra or {}
    return Option(
        name=name,
        env=PREFIX + name.upper().replace(".", "__"),
        default=_text(info.default),
        unit=extra.get("unit", ""),
        range=extra.get("form") or _range(base, meta),
        sentence=meta.description or "",
        type=kind,
    )


def _method_type(info: msgspec.structs.FieldInfo) -> Any:
    """Return the type of a `MethodConfig` field with its range, which applies to each element."""
    rule = next(rule for rule in METHOD_RANGES if fnmatchcase(info.name, rule.pattern))
    number = int if info.type is int else float
    limits = Meta(ge=number(rule.low), le=number(rule.high))
    words = f"{_text(rule.low)} to {_text(rule.high)}"
    if get_origin(info.type) is tuple:
        parts = tuple(Annotated[part, limits] for part in get_args(info.type))
        inner: Any = GenericAlias(tuple, parts)
        words = f"{len(parts)} numbers with commas, each {words}"
    else:
        inner = Annotated[info.type, limits]
    return Annotated[
        inner, Meta(description=rule.sentence, extra={"unit": rule.unit, "form": words})
    ]


def _unwrapped(kind: Any) -> tuple[Any, Meta]:
    """Return the bare type of an option and what its annotation says, merged inside out."""
    if get_origin(kind) is Annotated:
        return kind.__origin__, kind.__metadata__[-1]
    for part in get_args(kind):
        if get_origin(part) is Annotated:
            return part.__origin__, part.__metadata__[-1]
    return kind, Meta()


def _range(base: Any, meta: Meta) -> str:
    if get_origin(base) is Literal:
        return " | ".join(get_args(base))
    if meta.ge is not None and meta.le is not None:
        return f"{_text(meta.ge)} to {_text(meta.le)}"
    return "path" if base is Path else "text"


def _text(default: Any) -> str:
    if isinstance(default, tuple):
        return ",".join(_text(part) for part in default)
    if default is None:
        return "unset"
    if not isinstance(default, float):
        return str(default)
    text = f"{default:.15g}"
    return text if float(text) == default else repr(default)


# Where it comes from


def _refuse_exchange_keys(environ: Mapping[str, str]) -> None:
    for name in sorted(environ):
        if EXCHANGE_KEYS.fullmatch(name.upper()):
            raise SettingsError(
                f"{name} is set, but market data is public and Treadmill takes none: unset it"
            )


def _from_file(path: Path) -> Iterator[_Given]:
    try:
        with path.open("rb") as file:
            tree = tomllib.load(file)
    except OSError as error:
        raise SettingsError(f"config file {path}: {error.strerror}; name another") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise SettingsError(f"config file {path} is not TOML: {reason}") from None
    yield from _leaves(tree, f"{path}: ", "")


def _leaves(tree: Mapping[str, Any], origin: str, prefix: str) -> Iterator[_Given]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, origin, f"{prefix}{key}.")
        else:
            yield _Given(f"{origin}{prefix}{key}", prefix + key, value)


def _from_environment(environ: Mapping[str, str]) -> Iterator[_Given]:
    for variable in sorted(environ):
        if variable.startswith(PREFIX) and variable not in OTHER_VARIABLES:
            name = variable.removeprefix(PREFIX).lower().replace("__", ".")
            yield _Given(variable, name, environ[variable])


def _from_overrides(overrides: Mapping[str, Any]) -> Iterator[_Given]:
    for name, value in overrides.items():
        if value is not None:
            yield _Given("--" + name.replace("_", "-"), name, value)


def _find(given: _Given, table: Mapping[str, Option]) -> Option:
    """Return the option that `given` names; any venue's address is one option."""
    name = re.sub(r"^(venue_urls)\.[a-z0-9_]{1,12}\.", r"\1.<venue>.", given.name)
    if name in table:
        return table[name]
    if given.origin.startswith(PREFIX) and SERVICE_LINK.search(f"{given.origin}={given.value}"):
        raise SettingsError(
            f"{given.origin} is a Kubernetes service link: set enableServiceLinks: false on the pod"
        )
    near = difflib.get_close_matches(name, table, n=1)
    hint = near[0] if near else "see `treadmill config`"
    if near and given.origin.startswith(PREFIX):
        hint = table[near[0]].env
    raise SettingsError(
        f"{given.origin} is no option: " + (f"did you mean {hint}?" if near else hint)
    )


def _converted(given: _Given, option: Option) -> Any:
    value = given.value
    if isinstance(value, str) and get_origin(_unwrapped(option.type)[0]) is tuple:
        value = [part.strip() for part in value.split(",")]
    try:
        return msgspec.convert(value, option.type, strict=False, dec_hook=_custom)
    except msgspec.ValidationError as error:
        raise SettingsError(_complaint(given, option, str(error))) from None


def _custom(kind: type, value: Any) -> Any:
    """Build what msgspec does not know."""
    if isinstance(value, kind):
        return value
    if not isinstance(value, str) or not value:
        raise ValueError("Expected text")  # msgspec makes it a ValidationError
    return kind(value)


def _complaint(given: _Given, option: Option, error: str) -> str:
    shown = "***" if _unwrapped(option.type)[0] is Secret else repr(given.value)
    if len(shown) > 80:
        shown = shown[:77] + "..."
    unit = f" ({option.unit})" if option.unit else ""
    reason = error.partition(" - at ")[0].replace("`", "")
    if " matching regex " in reason:
        reason = "it has another form"
    return f"{given.origin} = {shown}: {reason[:1].lower()}{reason[1:]}; use {option.range}{unit}"


# What it makes


def _built(struct: type[S], prefix: str, values: Mapping[str, Any]) -> S:
    out: dict[str, Any] = {}
    for info in msgspec.structs.fields(struct):
        name = prefix + info.name
        if isinstance(info.type, type) and issubclass(info.type, Struct):
            out[info.name] = _built(info.type, name + ".", values)
        elif get_origin(info.type) is dict:
            inner = get_args(info.type)[1]
            keys = {key.split(".")[1] for key in values if key.startswith(name + ".")}
            out[info.name] = {key: _built(inner, f"{name}.{key}.", values) for key in sorted(keys)}
        elif name in values:
            out[info.name] = values[name]
    return struct(**out)


def _check_together(settings: Settings) -> None:
    flat = effective(settings)
    for why, lower, higher in ORDERED:
        if flat[lower] > flat[higher]:
            raise SettingsError(
                f"{lower} = {flat[lower]} is above {higher} = {flat[higher]}, so that {why}:"
                " lower the one or raise the other"
            )
    excitation = sum(settings.method.hawkes_self) + sum(settings.method.hawkes_cross)
    if excitation >= 1:
        raise SettingsError(
            f"method.hawkes_self and method.hawkes_cross add up to {excitation:g}:"
            " keep them below 1, or every cascade is endless"
        )
