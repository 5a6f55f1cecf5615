"""Rules ready to be decided, out of the options; and what is wrong with them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property

from collector.contract import BadOption
from collector.contract.alert import Meaning
from collector.derive.alerts.alert import Times
from collector.derive.alerts.condition import (
    Age,
    Comparison,
    Condition,
    Falls,
    Leaf,
    Limit,
    Seen,
    compare,
    leaves,
)
from collector.derive.alerts.defaults import project_rules
from collector.derive.alerts.language import NoCondition, parse, parse_limit
from collector.derive.alerts.options import RuleOptions
from collector.reading import NAME
from collector.scalars import did_you_mean

CLEAR_FOR_S = 300.0
REPEAT_S = 86_400.0
MOST_RULES = 100
LONGEST_NAME = 60


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule. *ends* is the condition that ends it, where its own does not."""

    name: str
    condition: Condition
    ends: Condition | None
    times: Times
    unless: tuple[str, ...]
    meaning: Meaning

    @cached_property
    def is_wild(self) -> bool:
        return any(each.name.is_wild for each in leaves(self.condition))

    @cached_property
    def leaves(self) -> tuple[Leaf, ...]:
        return tuple(leaves(self.condition))

    def may_hold(self, seen: Seen, settings: Mapping[str, float]) -> bool:
        """Can what was just heard make it hold? Most readings cannot, which is quickly found."""
        for each in self.leaves:  # noqa: SIM110  a generator takes longer
            if each.may_hold(seen, settings):
                return True
        return False

    @cached_property
    def is_timed(self) -> bool:
        """Whether time alone decides it, without a reading."""
        every = [*leaves(self.condition), *(leaves(self.ends) if self.ends else ())]
        return any(isinstance(each, Age | Falls) for each in every)


class Wrong(BadOption, ValueError):
    """A rule that cannot be; *option* is where."""


def rules_of(options: Mapping[str, RuleOptions], *, defaults: bool) -> list[Rule]:
    """Return the rules that are on, each behind those that it is silenced by. Raise Wrong."""
    given = merged(options, project_rules() if defaults else {})
    if len(given) > MOST_RULES:
        raise Wrong("rules", f"{len(given)} rules are too many: at most {MOST_RULES}")
    made = {name: rule_of(name, each) for name, each in given.items() if not each.off}
    for name, rule in made.items():
        for other in rule.unless:
            if other not in given:
                hint = did_you_mean(other, given) or f"; known: {', '.join(sorted(given))}"
                raise Wrong(f"rules.{name}.unless", f"no rule is named {other!r}{hint}")
    return list(in_order(made))


def merged(
    options: Mapping[str, RuleOptions], defaults: Mapping[str, RuleOptions]
) -> dict[str, RuleOptions]:
    """Return the project's rules with what the owner changes, and his own. Raise Wrong."""
    given = dict(defaults)
    for name, rule in options.items():
        if not NAME.fullmatch(name) or "." in name or len(name) > LONGEST_NAME:
            raise Wrong(
                f"rules.{name}",
                f"{name!r} is not a name of a rule: letters, digits, '_' and '-', at most "
                f"{LONGEST_NAME}",
            )
        if name not in given and not rule.when and not rule.off:
            hint = did_you_mean(name, project_rules())
            raise Wrong(f"rules.{name}", f"'when' is missing: no rule has this name already{hint}")
        given[name] = changed(given.get(name, RuleOptions()), rule)
    return given


def changed(rule: RuleOptions, by: RuleOptions) -> RuleOptions:
    """Return *rule* with what *by* gives; another condition does not keep the end of the old."""
    new = {
        each.name: value
        for each in fields(by)
        if (value := getattr(by, each.name)) not in {None, "", ()} and is_given(each.name, value)
    }
    if by.when:
        new.setdefault("clear", "")
        new.setdefault("say", "")
        new.setdefault("do", "")
    return replace(rule, **new)


def is_given(name: str, value: object) -> bool:
    """Is *value* more than the default of an option of a rule?"""
    return value is not False or name in {"urgent", "recovery"}


def rule_of(name: str, options: RuleOptions) -> Rule:
    """Make a rule. Raise Wrong."""
    condition = condition_of(f"rules.{name}.when", options.when)
    wild = {each.name.device for each in leaves(condition) if each.name.is_wild}
    if len(wild) > 1:
        raise Wrong(
            f"rules.{name}.when",
            f"{' and '.join(sorted(map(repr, wild)))} may be different devices: "
            "one rule has one name with '*'",
        )
    ends = None
    if options.clear:
        condition, ends = cleared(f"rules.{name}.clear", options.clear, condition)
    first = next(leaves(condition))
    meaning = Meaning(
        text=options.say or options.when,
        advice=options.do,
        unit=first.unit,
        urgent=bool(options.urgent),
        targets=options.to,
        devices=tuple({each.name.device for each in leaves(condition) if not each.name.is_wild}),
    )
    return Rule(
        name=name,
        condition=condition,
        ends=ends,
        times=Times(
            for_ms=round(1000 * (options.for_ or 0)),
            clear_for_ms=round(1000 * given_or(options.clear_for, CLEAR_FOR_S)),
            repeat_ms=round(1000 * given_or(options.repeat, REPEAT_S)),
            recovery=options.recovery is not False,
            sign=first.sign,
        ),
        unless=options.unless,
        meaning=meaning,
    )


def given_or(value: float | None, default: float) -> float:
    return default if value is None else value


def condition_of(option: str, text: str) -> Condition:
    try:
        return parse(text)
    except NoCondition as error:
        raise Wrong(option, str(error)) from None


def cleared(option: str, text: str, condition: Condition) -> tuple[Condition, Condition | None]:
    """Return the condition with its end in it, or beside it. Raise Wrong."""
    every = list(leaves(condition))
    only = every[0] if len(every) == 1 else None
    if isinstance(only, Comparison) and (limit := limit_of(text, only)):
        return ends_at(option, text, only, limit.number, has_number=not limit.of), None
    return condition, condition_of(option, text)


def limit_of(text: str, only: Comparison) -> Limit | None:
    """Return the limit that *text* is; None where it may be a condition."""
    try:
        return parse_limit(text, only.quantities, only.unit)
    except NoCondition:
        return None


def ends_at(
    option: str, text: str, only: Comparison, number: float, *, has_number: bool
) -> Condition:
    """Return a comparison that ends at *number*. Raise Wrong where that is beyond its limit."""
    if not has_number or only.sign in {"=", "!="}:
        raise Wrong(option, f"{text!r} is not accepted: write a condition that ends the alert")
    way = "below" if only.sign[0] == ">" else "above"
    beyond = compare(number, only.sign[0], only.limit.number)
    if beyond and not only.limit.of:
        raise Wrong(
            option,
            f"{text!r} is beyond 'when', so the alert would end where it begins: choose a value "
            f"{way} {only.limit.number:g} {only.unit}".rstrip(),
        )
    return replace(only, clear=number)


def in_order(rules: Mapping[str, Rule]) -> Iterator[Rule]:
    """Yield each rule behind those that silence it. Raise Wrong where they do so in a circle."""
    done: set[str] = set()

    def walk(name: str, path: tuple[str, ...]) -> Iterator[Rule]:
        if name in path:
            way = " → ".join([*path[path.index(name) :], name])
            raise Wrong(f"rules.{name}.unless", f"rules silence each other in a circle: {way}")
        if name in done or name not in rules:
            return
        for other in rules[name].unless:
            yield from walk(other, (*path, name))
        done.add(name)
        yield rules[name]

    for name in rules:
        yield from walk(name, ())


def wanted(rule: Rule) -> Iterator[Leaf]:
    """Yield all that a rule looks at."""
    yield from leaves(rule.condition)
    if rule.ends:
        yield from leaves(rule.ends)
