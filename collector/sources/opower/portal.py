"""The portal of a utility on opower.com, through the library opower (github.com/tronikos/opower).

The library logs in and reads the portal's JSON; it and aiohttp take 24 MB and half a second to
load, so this module is imported only where a portal is read. Where the portal tells no cost the
library tells 0, and at the end of what it asked for it leaves zeros out: neither 0 is believed.
"""

import asyncio
import logging
import math
import re
import time
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction
from typing import TypeVar
from zoneinfo import ZoneInfo

import aiohttp
from opower import (
    Account,
    AggregateType,
    CannotConnect,
    CostRead,
    InvalidAuth,
    MeterType,
    MfaChallenge,
    Opower,
    ReadResolution,
    UnitOfMeasure,
    create_cookie_jar,
    get_supported_utilities,
    select_utility,
)
from opower.exceptions import ApiException

from collector.decode.exact import scaled
from collector.decode.intervals import CUBIC_FOOT_M3, LONGEST_DAY_MS, THERM_WH, Interval
from collector.errors import DeviceRefused, DeviceSilent, FrameDamaged, LineAway, ReadFault
from collector.lines.http_answer import date_in
from collector.scalars import did_you_mean

T = TypeVar("T")
Span = tuple[int, int]

DEADLINE_S = 240.0  # a login takes up to 15 requests, a window of 90 days some 10
ANSWER = aiohttp.ClientTimeout(total=60, sock_connect=10)
MOST_BYTES = 10_000_000  # the reads of 25 days are 0.5 MB
CLOCK_MAY_DIFFER_S = 3600
LOGIN_REFUSED = 1  # no status of HTTP
US_DOLLAR = 840

logging.getLogger("opower").setLevel(logging.ERROR)  # it warns of the same at every fetch

KINDS = {MeterType.ELEC: "electricity", MeterType.GAS: "gas", MeterType.WATER: "water"}
AMOUNTS = {
    UnitOfMeasure.KWH: ("energy", Fraction(1000)),
    UnitOfMeasure.THERM: ("energy", THERM_WH),
    UnitOfMeasure.CCF: ("volume", 100 * CUBIC_FOOT_M3),
}
# The longest that is asked for at once. The library asks for two days more, in parts of 26 or 363
# days, of which it asks for no older one as soon as one is empty.
HOURLY = (AggregateType.HOUR, timedelta(days=24))
DAILY = (AggregateType.DAY, timedelta(days=360))
BY_BILL = (AggregateType.BILL, timedelta(days=3660))


@dataclass(frozen=True)
class Login:
    """Who reads which utility's portal."""

    utility: str
    user: str
    password: str
    totp: str | None = None


@dataclass(frozen=True)
class Meter:
    """A meter of the login; *unit* is None where it is not known."""

    kind: str
    account: Account
    unit: UnitOfMeasure | None


class Bounded(aiohttp.ClientResponse):
    """An answer that is read no further than ``MOST_BYTES``, unpacked.

    One that came at quite another time than it says is refused: with a wrong clock, times would be
    taken for asked that have not yet been.
    """

    async def read(self) -> bytes:
        at = date_in(self.headers.get("Date", ""))
        if at and abs(at.timestamp() - time.time()) > CLOCK_MAY_DIFFER_S:
            raise aiohttp.ClientPayloadError(f"the clock is not right: the portal's says {at}")
        if self._body is None:
            body = bytearray()
            async for part in self.content.iter_any():
                body += part
                if len(body) > MOST_BYTES:
                    self.close()
                    raise aiohttp.ClientPayloadError(f"it is longer than {MOST_BYTES:,} bytes")
            self._body = bytes(body)
        return await super().read()


def check(utility: str) -> None:
    """Raise DeviceRefused where the library knows no *utility* of that name."""
    try:
        select_utility(utility)
    except ValueError:
        known = [each.__name__.lower() for each in get_supported_utilities()]
        hint = did_you_mean(utility.lower(), known) or f"; known: {', '.join(sorted(known))}"
        raise DeviceRefused(f"no utility {utility!r}{hint}") from None


def fetch(
    login: Login, account: str, windows: Sequence[Span]
) -> tuple[list[Meter], list[list[Interval] | ReadFault]]:
    """Return the meters, and for each window its intervals or why they could not be had.

    *account* is the number of an account or how it ends. Raise ReadFault; DeviceRefused with the
    code ``LOGIN_REFUSED`` where the login is not accepted.
    """
    try:
        return asyncio.run(asyncio.wait_for(ask(login, account, windows), DEADLINE_S))
    except TimeoutError as error:
        raise DeviceSilent(f"{login.utility}: not done within {DEADLINE_S:.0f} s") from error


async def ask(
    login: Login, account: str, windows: Sequence[Span]
) -> tuple[list[Meter], list[list[Interval] | ReadFault]]:
    check(login.utility)
    async with aiohttp.ClientSession(
        cookie_jar=create_cookie_jar(), timeout=ANSWER, response_class=Bounded
    ) as session:
        portal = Opower(session, login.utility, login.user, login.password, login.totp)
        await translated(portal.async_login(), login.utility)
        accounts = chosen(await translated(portal.async_get_accounts(), login.utility), account)
        units = await translated(units_of(portal, accounts), login.utility)
        meters = [Meter(KINDS[each.meter_type], each, units.get(each.uuid)) for each in accounts]
        answers: list[list[Interval] | ReadFault] = []
        for window in windows:
            try:
                answers.append(await translated(reads(portal, meters, window), login.utility))
            except ReadFault as error:
                answers.append(error)
    return meters, answers


async def translated(talk: Awaitable[T], utility: str) -> T:
    """Wait for what is said to the portal. Raise ReadFault for whatever goes wrong."""
    try:
        return await talk
    except Exception as error:  # the library stumbles in its own ways over what it does not expect
        raise fault(error, utility) from error


def fault(error: Exception, utility: str) -> ReadFault:
    """Return as one of ours what the library or what it stands on raised. Pure."""
    match error:
        case MfaChallenge():
            return DeviceRefused(
                f"{utility} wants a code by SMS or e-mail at each login, which nobody is here to "
                "enter: download its Green Button file, and read that with type green_button",
                LOGIN_REFUSED,
            )
        case InvalidAuth():
            text = f"{utility} does not accept the login: {reason(error)}"
            return DeviceRefused(text, LOGIN_REFUSED)
        case ApiException(status=int(status)):
            return DeviceRefused(f"{utility} answers HTTP {status}", status)
        case TimeoutError():
            return DeviceSilent(f"{utility}:  no complete answer within {ANSWER.total:.0f} s")
        case ApiException() | CannotConnect() | aiohttp.ClientError() | OSError():
            return LineAway(f"{utility} cannot be asked: {reason(error)}")
        case _:
            what = f"{type(error).__name__} {str(error)[:100]}"
            return FrameDamaged(f"the answer of {utility} cannot be read: {what}")


def reason(error: Exception) -> str:
    """Return in short what happened, without addresses, which may hold tokens. Pure."""
    cause = error.__cause__ or error
    if isinstance(cause, aiohttp.ClientResponseError):
        return f"HTTP {cause.status}"
    text = str(cause.args[0]) if isinstance(cause, ApiException) else str(cause)
    return re.sub(r"https?://\S+", "…", text)[:200] or type(cause).__name__


def chosen(accounts: Iterable[Account], number: str) -> list[Account]:
    """Return the accounts whose numbers end with *number*, at most one of a kind.

    Raise DeviceRefused where there is none, or where there are more. Pure.
    """
    known = list(accounts)
    found = [each for each in known if each.utility_account_id.endswith(number)]
    endings = ", ".join(f"{KINDS[each.meter_type]} …{ending(each)}" for each in known)
    if not found:
        raise DeviceRefused(f"no account ends with {number!r}; there are: {endings or 'none'}")
    if len({each.meter_type for each in found}) < len(found):
        raise DeviceRefused(
            f"the login has several accounts of one kind; choose one with 'account': {endings}"
        )
    return found


def ending(account: Account) -> str:
    return account.utility_account_id[-4:]


async def units_of(portal: Opower, accounts: Iterable[Account]) -> dict[str, UnitOfMeasure]:
    """Return in what each account is metered, by its uuid, where that is known.

    Reads don't say it. Forecasts do; where they do not, or in units that the library does not
    know, it tells kWh.
    """
    known = {each.uuid: UnitOfMeasure.KWH for each in accounts if each.meter_type is MeterType.ELEC}
    if any(each.uuid not in known for each in accounts):
        for forecast in await portal.async_get_forecast():
            if forecast.unit_of_measure is not UnitOfMeasure.KWH:
                known[forecast.account.uuid] = forecast.unit_of_measure
    return known


async def reads(portal: Opower, meters: Iterable[Meter], window: Span) -> list[Interval]:
    """Return what all *meters* counted from the start of *window* to before its end."""
    zone = ZoneInfo(portal.utility.timezone())
    found: list[Interval] = []
    for meter in meters:
        if meter.unit is None:
            continue
        for aggregate, longest in aggregates(meter.account.read_resolution):
            for part in parts(window, round(longest.total_seconds() * 1000)):
                first, last = (datetime.fromtimestamp(each / 1000, zone) for each in part)
                told = await portal.async_get_cost_reads(meter.account, aggregate, first, last)
                found += decode(told, meter.kind, meter.unit, part)
    return found


def aggregates(resolution: ReadResolution | None) -> list[tuple[AggregateType, timedelta]]:
    """Return what can be asked for of an account: by hour and day, or what is nearest. Pure."""
    if resolution is ReadResolution.BILLING:
        return [BY_BILL]
    return [DAILY] if resolution is ReadResolution.DAY else [HOURLY, DAILY]


def parts(window: Span, longest_ms: int) -> Iterator[Span]:
    """Yield *window* in parts of at most *longest_ms*. Pure."""
    for begin in range(window[0], window[1], longest_ms):
        yield begin, min(begin + longest_ms, window[1])


def decode(
    told: Sequence[CostRead], kind: str, unit: UnitOfMeasure, window: Span
) -> list[Interval]:
    """Return the intervals that begin in *window*, each once. Pure.

    Where the portal tells wall clock times, an interval in which clocks are put back may seem to
    last no time, or an hour too long.
    """
    begins = decode_begins([each.start_time for each in told])
    found: dict[int, Interval] = {}
    for number, each in enumerate(told):
        begin_ms, end_ms = begins[number], milliseconds(each.end_time)
        following_ms = begins[number + 1] if number + 1 < len(told) else end_ms
        if end_ms <= begin_ms:
            end_ms = milliseconds(each.end_time.replace(fold=1))
        if begin_ms < following_ms < end_ms:
            end_ms = following_ms
        interval = Interval(kind, begin_ms, end_ms, {}, US_DOLLAR)
        amounts = decode_amounts(each, unit, is_bill=end_ms - begin_ms > LONGEST_DAY_MS)
        if window[0] <= begin_ms < window[1] and interval.can_be and amounts:
            found[begin_ms] = replace(interval, amounts=amounts)
    return list(found.values())


def decode_begins(times: Sequence[datetime]) -> list[int]:
    """Return *times* in milliseconds since 1970 UTC. Pure.

    Where the portal tells wall clock times, the hour in which clocks are put back comes twice: the
    second time it is an hour later.
    """
    found: list[int] = []
    for each in times:
        begin_ms = milliseconds(each)
        if found and begin_ms == found[-1]:
            begin_ms = milliseconds(each.replace(fold=1))
        found.append(begin_ms)
    return found


def milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def decode_amounts(read: CostRead, unit: UnitOfMeasure, *, is_bill: bool) -> dict[str, float]:
    """Return what a read tells in our units, each only where it is a number. Pure."""
    name, factor = AMOUNTS[unit]
    told = {name: read.consumption, "cost": read.provided_cost or None}
    if is_bill:  # portals that tell no more than bills tell 0 with them
        told[name] = read.consumption or None
    if name == "energy":
        told |= {"energy_import": read.imported, "energy_export": read.exported}
    found = {
        each: scaled(float(value), Fraction(1) if each == "cost" else factor)
        for each, value in told.items()
        if isinstance(value, int | float) and math.isfinite(value)
    }
    return {each: value for each, value in found.items() if math.isfinite(value)}
