"""Random kills of the laptop's process, of the host's, and of the connection, and Ctrl-C, in shipping, training and pulling.

Claims: nothing is lost (every output is byte for byte what an undisturbed run makes, every event is there once), nothing
untrue is said, and the user types at most the command that the message names. Real sshd on loopback, the real worker, guard,
queue and locks with stages that compute nothing; the moments are drawn from a seed. A fault that did not happen counts as
a failure.

Last, one training whose connection is cut for 60 seconds five times, while the worker goes on: it takes under six minutes,
so that it is done once (`--cuts 0` leaves it out).

    python benchmarks/faults.py [--trials 20] [--seed 1] [--victim laptop] [--phase pulling] [--cuts 1]
"""

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.support.fault_trials import PHASES, ROWS, VICTIMS, Phase, Trial, Victim, run_trial
from tests.support.sshd import SSHD, start_sshd


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--trials", type=int, default=20, help="of each kind")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--victim", choices=VICTIMS, action="append")
    parser.add_argument("--phase", choices=PHASES, action="append")
    parser.add_argument("--cuts", type=int, default=1, help="trials of five cuts of 60 s")
    options = parser.parse_args()
    if not SSHD.is_file():
        sys.exit(f"no {SSHD}: install openssh-server")
    failed = 0
    print(f"seed {options.seed}, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(
        f"{'killed':<11}{'while':<10}{'trials':>7}{'unharmed':>10}{'median s':>10}{'sent, of the data':>19}"
    )
    kinds: list[tuple[Victim, Phase, int]] = [
        (victim, phase, options.trials)
        for victim in options.victim or VICTIMS
        for phase in options.phase or PHASES
    ]
    kinds.append(("cuts", "training", options.cuts))
    for victim, phase, count in kinds:
        if not count:
            continue
        trials: list[Trial] = []
        for number in range(count):
            random = Random(f"{options.seed} {victim} {phase} {number}")
            with tempfile.TemporaryDirectory() as folder, start_sshd(Path(folder, "sshd")) as server:
                try:
                    trials.append(run_trial(Path(folder), server, victim, phase, random))
                except AssertionError as error:
                    trials.append(Trial(victim, phase, "", (f"no trial: {error}",), 0.0, 0))
            for problem in trials[-1].problems:
                print(f"  trial {number} ({trials[-1].seen}): {problem}")
        harmed = sum(1 for trial in trials if trial.problems or not trial.seen)
        failed += harmed
        sent = statistics.median(trial.sent for trial in trials) / ROWS
        print(
            f"{victim:<11}{phase:<10}{len(trials):>7}{len(trials) - harmed:>10}"
            f"{statistics.median(trial.seconds for trial in trials):>10.1f}{sent:>18.2f}x",
            flush=True,
        )
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
