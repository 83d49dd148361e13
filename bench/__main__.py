"""Every goal in one table: ``python -m bench [--quick] [NAME ...]``.

Each measurement starts servers of its own in a temporary directory; the load is made on the same
machine. Leave it alone meanwhile: a figure is worth as much as the machine is quiet.
"""

import argparse
import os
import sys
import time

from bench import cli, goals, reads, size, supervise, throughput, viewers

MEASUREMENTS = {
    "reads": reads.goals,
    "throughput": throughput.goals,
    "cli": cli.goals,
    "viewers": viewers.goals,
    "size": size.goals,
    "supervise": supervise.goals,
}


def main() -> int:
    """Measure and print; 0 also where a goal is not met."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MEASUREMENTS))
    parser.add_argument("--quick", action="store_true", help="tiny: shows that it works, no more")
    options = parser.parse_args()
    if unknown := set(options.names) - set(MEASUREMENTS):
        parser.error(f"there is no measurement {', '.join(sorted(unknown))}")
    begun, missed = time.monotonic(), 0
    print(f"Load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors.\n")
    print(goals.HEAD, flush=True)
    for name, measure in MEASUREMENTS.items():
        if not options.names or name in options.names:
            missed += goals.show(measure(quick=options.quick))
    took = (time.monotonic() - begun) / 60
    print(f"\n{missed} not met. It took {took:.0f} minutes.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
