#!/usr/bin/env python3
"""Has processes share the points of a toy `prune run` while one after the other of them is killed at random and
replaced, again and again for some minutes: each run has to end with the bits of one that a single process did
undisturbed.

    tests/faults/workers.py [--bin build/release/bin] [--minutes 1] [--workers 10] [--seed 1]
"""
import argparse
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

import run as faults


class Workers:
    def __init__(self, command, count, chance):
        self.command, self.count, self.chance = command, count, chance
        self.processes, self.killed = [], 0

    def fill(self):
        while len(self.processes) < self.count:
            self.processes.append(subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE))

    def kill_one(self):
        victim = self.processes.pop(self.chance.randrange(len(self.processes)))
        victim.kill()
        victim.communicate()
        self.killed += 1

    def work(self):
        """Returns when one of them says that all is done, and the others, which then find that, have ended."""
        while all(p.poll() is None for p in self.processes):
            self.fill()
            time.sleep(self.chance.expovariate(5))  # five a second
            if all(p.poll() is None for p in self.processes):
                self.kill_one()
        for process in self.processes:
            said = process.communicate()[1]
            if process.returncode != 0:
                sys.exit(f"error: a worker has ended with exit code {process.returncode}\n{said.decode()}")
        self.processes = []


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, default=faults.ROOT / "build/release/bin")
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--workers", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    chance = random.Random(chosen.seed)
    with tempfile.TemporaryDirectory() as name:
        work = pathlib.Path(name)
        prune = faults.make_toys(chosen.bin, work)["prune"][0]
        prune[prune.index("--round-epochs") + 1] = "12"

        def stage(what, out, *more):
            command = [*prune, "--out", out, *more]
            command[1] = what
            return command

        def do(*command):
            subprocess.run(stage(*command), check=True, capture_output=True)

        alone, shared = work / "alone", work / "shared"
        do("run", alone)
        wanted = faults.content(alone)
        end, runs, killed = time.monotonic() + 60 * chosen.minutes, 0, 0
        while time.monotonic() < end:
            do("plan", shared)
            do("sparsify", shared)
            workers = Workers(stage("collect", shared, "--worker"), chosen.workers, chance)
            workers.work()
            do("run", shared, "--resume")
            found = faults.content(shared)
            runs, killed = runs + 1, killed + workers.killed
            if found != wanted:
                differing = sorted(f for f in wanted.keys() | found.keys() if wanted.get(f) != found.get(f))
                sys.exit(f"error: run {runs}, seed {chosen.seed}, differs in {', '.join(differing)}")
            shutil.rmtree(shared)
        print(f"{runs} runs, {killed} of their workers killed: the same bits as undisturbed")


if __name__ == "__main__":
    main()
