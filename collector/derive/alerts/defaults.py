"""The rules that every house has, and that its owner may change or switch off by their names."""

from collector.derive.alerts.options import RuleOptions
from collector.scalars import Seconds

MINUTE, HOUR, DAY = Seconds(60), Seconds(3600), Seconds(86400)

DEFAULTS = {
    "collection-failing": RuleOptions(
        when="collector/*.silence > 2min",
        clear_for=MINUTE,
        say="its source is not read",
        do="run 'energy-monitor doctor' on the collector: it says what is wrong and what mends it",
    ),
    "restarts": RuleOptions(
        when="collector/collector.restarts >= 3",
        say="the collector was started three times within an hour",
        do="run 'journalctl -u energy-monitor-collector' and look for what ended it",
    ),
    "backlog": RuleOptions(
        when="collector/*.backlog_age > 1h",
        say="readings wait to be delivered; none is lost",
        do="run 'energy-monitor doctor': it says what keeps the output from delivering",
    ),
    "backup-old": RuleOptions(
        when="backup/*.backup_age > 36h",
        say="the last good backup is old",
        do="run 'sudo energy-monitor backup now', which says what fails",
    ),
    "disk-full": RuleOptions(
        when="host/*.disk_free < 11.1 % of disk_used",
        for_=MINUTE,
        say="less than a tenth of the disk is free",
        do="remove what is not needed, or shorten 'journal.keep' and the retention of the database",
    ),
    "under-voltage": RuleOptions(
        when="host/*.under_voltage = 1",
        say="the Raspberry Pi gets too little voltage: its card may be damaged",
        do="use the power supply made for it, and a short cable",
    ),
    "clock": RuleOptions(
        when="collector/collector.clock_trusted = 0",
        for_=Seconds(600),
        clear_for=MINUTE,
        say="the clock is not right: readings are kept and not delivered",
        do="connect the collector to the network, or set 'clock.trust'",
    ),
    "counter-fell": RuleOptions(
        when="*.active_energy falls or *.active_energy_import falls or "
        "*.active_energy_export falls",
        recovery=False,
        repeat=Seconds(0),
        say="a counter of energy went backwards",
        do="look whether the meter was reset or replaced, or whether its line is disturbed",
    ),
    "overload": RuleOptions(
        when="*.active_power > 95 % of contract or *.active_power_import > 95 % of contract",
        for_=Seconds(30),
        urgent=True,
        say="the power is close to what the contract allows",
        do="switch something large off, or the supply may trip",
    ),
    "heat-pump-error": RuleOptions(
        when="heatpump/*.status_line1 = 3",
        for_=MINUTE,
        say="the heat pump reports an error and has stopped",
        do="read its code on the controller, or in 'energy-monitor read', and call who services it",
    ),
    "battery-low": RuleOptions(
        when="battery/*.state_of_charge < discharge_floor",
        for_=MINUTE,
        say="the battery is discharged below its floor",
        do="charge it, or switch off what it feeds",
    ),
    "month-peak": RuleOptions(
        when="*.quarter_forecast > month_peak",
        for_=Seconds(30),
        urgent=True,
        recovery=False,
        repeat=Seconds(0),
        say="this quarter of an hour becomes the largest of the month, and it has a price",
        do="switch something large off until the quarter is over",
    ),
    "stays-on": RuleOptions(
        when="*.base_load_rise > 20 %",
        repeat=Seconds(7 * DAY),
        recovery=False,
        say="the least load at night was a fifth above the usual one, three nights long",
        do="look for what stays on",
    ),
    "day-unusual": RuleOptions(
        when="*.day_excess > 3",
        recovery=False,
        repeat=Seconds(0),
        say="yesterday used far more than such a day of the week usually does",
        do="look at yesterday's power for what was on",
    ),
}
