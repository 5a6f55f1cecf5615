"""Run the benchmarks named on the command line, or all of them, and print figure beside bound."""

import importlib
import sys

BENCHES = [
    "bus",
    "journal",
    "export",
    "parquet",
    "backlog",
    "mqtt",
    "postgresql",
    "redis",
    "emoncms",
    "outputs",
    "bill",
    "demo",
    "lateness",
    "service",
    "mixed",
    "backup",
    "restore",
    "vedirect",
    "metrics",
    "page",
    "telegraf",
    "telegraf_outputs",
    "remote_write",
    "kafka",
    "fleet",
    "energy",
    "derivations",
    "truth",
]


def main():
    names = sys.argv[1:] or BENCHES
    unknown = set(names) - set(BENCHES)
    if unknown:
        sys.exit(f"no benchmark named {', '.join(unknown)}; known: {', '.join(BENCHES)}")
    missed = []
    for name in names:
        print(f"\n{name}", flush=True)
        for figure, value, bound, kept in importlib.import_module(f"tests.bench.{name}").measure():
            print(f"  {figure:<66} {value:>14}   bound {bound:<16} {'' if kept else 'MISSED'}")
            sys.stdout.flush()
            if not kept:
                missed.append(figure)
    sys.exit(f"missed: {'; '.join(missed)}" if missed else 0)


main()
