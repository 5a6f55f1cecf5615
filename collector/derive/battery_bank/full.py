"""When the bank is full, by Victron's rules: voltage, a small charge current, and time."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Rules:
    """V and A of the whole bank; *least* is a current that counts as none."""

    voltage: float
    tail: float
    least: float
    time_ms: int


@dataclass
class Watch:
    """Since when the bank looks full, and the charge in As that went into it since then."""

    since_ms: int = 0
    charge: float = 0.0

    def step(
        self, rules: Rules, at_ms: int, voltage: float, current: float, passed_ms: int
    ) -> bool:
        """Take what was measured at *at_ms*; return whether the bank is full.

        *passed_ms* is the time since the reading before; 0 after a gap. A current that is 0 all the
        time is a charger or a BMS that has switched off, whatever the voltage.
        """
        if not (voltage >= rules.voltage and -rules.least < current < rules.tail):
            self.since_ms, self.charge = 0, 0.0
            return False
        if not self.since_ms or not passed_ms:
            self.since_ms, self.charge = at_ms, 0.0
            return False
        self.charge += current * passed_ms / 1000
        lasted_ms = at_ms - self.since_ms
        return lasted_ms >= rules.time_ms and self.charge > rules.least * lasted_ms / 1000
