#!/usr/bin/env python3
"""Disturbs a toy `train` and a toy `prune run`, new ones and ones that go on after a kill, at every call
that matters, one call a run, and has them go on with --resume: they have to end with the bits of the
undisturbed run and leave no temporary file, and what fails has to say so in one sentence and by a
documented exit code.

    tests/faults/run.py [--bin build/release/bin] [--every N] [--memory N] [--jobs N] [--toy NAME]

--every 10 tries a tenth of the cases, the same each time. Prints a table, and exits with 1 where
anything differs.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# What tells how long things took differs from run to run.
TIMED = {"times.json", "report.html", "report.md", "report.json"}
# fault: the kind of calls, the action, and the exit codes that it may end with
FAULTS = {
    "kill": ("change", "kill", {-9}),
    "kill inside a write": ("change", "tear", {-9}),
    # How many allocations there are varies by a few: the last ones may not come.
    "kill between changes": ("memory", "kill", {-9, 0}),
    "EIO": ("change", "EIO", {0, 1}),
    "ENOSPC, once": ("change", "ENOSPC", {0, 1}),
    "disk full from there on": ("change", "full", {0, 1}),
    "short write": ("change", "short", {0}),
    "EIO of a read": ("read", "EIO", {0, 1, 2, 3}),
    "ENOMEM of an allocation": ("memory", "ENOMEM", {0, 1}),
    "no memory from there on": ("memory", "full", {0, 1}),
    "small address space": ("space", "ENOMEM", {0, 1}),
    "EAGAIN of a thread": ("thread", "EAGAIN", {1}),
}
KILLS = {"kill", "tear"}
# glibc itself ends a program that has no memory for the destructor of a thread's first scratch array.
BY_GLIBC = "Fatal glibc error: failed to register TLS destructor: out of memory"
MOST_SECONDS = 300  # of a run, which takes a tenth of a second on a machine that is free


def write_images(folder):
    """Grey images of 8 x 8 pixels in the IDX format: noise whose brightness tells one of 4 classes."""
    folder.mkdir()
    state = 1
    for prefix, count in (("train", 48), ("t10k", 16)):
        images, labels = bytearray(), bytearray()
        for i in range(count):
            labels.append(i % 4)
            for _ in range(64):
                state = (state * 1664525 + 1013904223) % 2**32
                images.append(((state >> 26) + i % 4 * 60) % 256)
        (folder / f"{prefix}-images-idx3-ubyte").write_bytes(
            struct.pack(">IIII", 0x803, count, 8, 8) + images)
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(
            struct.pack(">II", 0x801, count) + labels)


def build_library(folder):
    library = folder / "inject.so"
    subprocess.run([os.environ.get("CXX", "c++"), "-std=c++20", "-O1", "-fPIC", "-shared",
                    HERE / "inject.cpp", "-o", library, "-ldl"], check=True)
    return library


def content(folder):
    """What a run has made, by file name; the log without how long its epochs took."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_dir():
            continue
        data = b"" if name in TIMED or path.suffix == ".tfevents" else path.read_bytes()
        if name == "metrics.jsonl":
            lines = [json.loads(line) for line in data.splitlines()]
            for line in lines:
                line.pop("seconds", None)
                line.pop("time", None)
            data = json.dumps(lines).encode()
        if name == "config.toml":  # names the folder
            data = data.replace(str(folder).encode(), b"OUT")
        found[name] = hashlib.sha256(data).hexdigest()
    return found


class Toy:
    """A command, and what comes of it undisturbed. Where `killed` says so, it is killed in its midst first,
    inside of a write, and what is disturbed is how it goes on."""

    def __init__(self, name, command, work, killed=False):
        self.name, self.command, self.work = name, command, work
        self.begun = None
        undisturbed = self.run_undisturbed("change")
        self.expected = content(undisturbed)
        if killed:
            begun = work / f"{name}-begun"
            self.start(begun, f"change:{self.calls['change'] // 2}:tear")
            self.begun = begun
            if content(self.run_undisturbed("change")) != self.expected:
                sys.exit(f"{name} doesn't go on as it should")
        for kind in ("read", "memory", "space", "thread"):
            self.run_undisturbed(kind)

    def run_undisturbed(self, kind):
        out = self.work / f"{self.name}-undisturbed"
        shutil.rmtree(out, ignore_errors=True)
        count = self.work / f"{self.name}-count"
        result = self.start(out, f"{kind}:0:kill", count=count)
        if result.returncode != 0:
            sys.exit(f"the undisturbed {self.name} failed: {result.stderr}")
        self.calls = {**getattr(self, "calls", {}), kind: int(count.read_text())}
        return out

    def start(self, out, fault, resume=False, count=None):
        if self.begun and not out.exists():
            shutil.copytree(self.begun, out)
            resume = True
        environment = dict(os.environ, MALLOC_ARENA_MAX="1", TRIFOLD_FAULT=fault,
                           LD_PRELOAD=str(self.work / "inject.so"))
        if count:
            environment["TRIFOLD_FAULT_COUNT"] = str(count)
        return subprocess.run([*self.command, "--out", out] + ["--resume"] * resume, env=environment,
                              capture_output=True, text=True, errors="replace", timeout=MOST_SECONDS)

    def disturb(self, kind, number, action, codes):
        """What is wrong after the fault and the resumption, or nothing."""
        out = self.work / f"{self.name}-{kind}-{number}-{action}"
        try:
            result = self.start(out, f"{kind}:{number}:{action}")
            by_glibc = result.returncode == -6 and BY_GLIBC in result.stderr
            if result.returncode not in codes and not by_glibc:
                return f"ended with {result.returncode}: {result.stderr[-300:]}"
            if result.returncode > 0 and result.stderr.count("error: ") != 1:
                return f"no single error: {result.stderr[-300:]}"
            # What couldn't be removed goes with the next run.
            if result.returncode != 0 or content(out).keys() - self.expected.keys():
                again = self.start(out, "none", resume=True)
                if again.returncode != 0:
                    return (f"resumption ended with {again.returncode}: {again.stderr[-300:]} "
                            f"after {result.stderr[-300:]}")
            found = content(out)
            names = {n for n in {*found, *self.expected} if found.get(n) != self.expected.get(n)}
            return f"differs or is left over: {sorted(names)}" if names else None
        except subprocess.TimeoutExpired:
            return f"hangs for {MOST_SECONDS} seconds"
        finally:
            shutil.rmtree(out, ignore_errors=True)


def numbers_of(kind, count, memory):
    """Which calls to disturb: all, or, where there are too many, evenly spaced ones and the last."""
    if kind not in ("memory", "space"):
        return list(range(1, count + 1))
    last = count - 100 if kind == "memory" else count
    even = {1 + i * last // memory for i in range(memory)}
    return sorted(even | set(range(last, count + 1)))


def make_toys(binaries, work):
    write_images(work / "images")
    common = ["--data", f"idx:{work / 'images'}", "--batch", "8", "--threads", "2"]
    train = [binaries / "train", "--arch", "resnet8", "--epochs", "4", *common]
    subprocess.run([*train, "--out", work / "model"], check=True, capture_output=True)
    prune = [binaries / "prune", "run", "--model", work / "model/model.safetensors",
             "--target", "0.5", "--rounds", "2", "--round-epochs", "1", "--sparsity-epochs", "1",
             "--finetune-epochs", "2", "--held-out", "8", "--bn-batches", "1",
             "--probe-images", "100", *common]
    return {"train": (train, False), "train, on": (train, True),
            "prune": (prune, False), "prune, on": (prune, True)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/release/bin")
    parser.add_argument("--every", type=int, default=1, help="an N-th of the cases only")
    parser.add_argument("--memory", type=int, default=200, help="allocations of all, evenly spaced")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--toy", help="one of them alone: 'train', 'train, on', 'prune' or 'prune, on'")
    parser.add_argument("--fault", choices=FAULTS, help="one of them alone")
    chosen = parser.parse_args()
    bad = kills = failures = 0
    memory_disk = pathlib.Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory_disk if memory_disk.is_dir() else None) as folder:
        work = pathlib.Path(folder)
        build_library(work)
        print(f"{'toy':10} {'fault':24} {'calls':>8} {'tried':>6} {'wrong':>6}", flush=True)
        for name, (command, killed) in make_toys(chosen.bin, work).items():
            if chosen.toy not in (None, name):
                continue
            toy = Toy(name, command, work, killed)
            with concurrent.futures.ThreadPoolExecutor(chosen.jobs) as pool:
                for row, (fault, (kind, action, codes)) in enumerate(FAULTS.items()):
                    if chosen.fault not in (None, fault):
                        continue
                    numbers = numbers_of(kind, toy.calls[kind], chosen.memory)
                    numbers = numbers[row % chosen.every::chosen.every]
                    results = list(pool.map(
                        lambda n: toy.disturb(kind, n, action, codes), numbers))
                    wrong = [(n, r) for n, r in zip(numbers, results) if r]
                    print(f"{name:10} {fault:24} {toy.calls[kind]:8} {len(numbers):6} {len(wrong):6}",
                          flush=True)
                    for number, reason in wrong[:20]:
                        print(f"    at {number}: {reason}", flush=True)
                    bad += len(wrong)
                    if action in KILLS:
                        kills += len(numbers)
                    else:
                        failures += len(numbers)
    print(f"{kills} kills, {failures} failing calls, {bad} wrong")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
