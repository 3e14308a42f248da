#!/usr/bin/env python3
"""Disturbs a toy `train` and a toy `prune run` at every call that matters, one call a run, and has them
go on with --resume: they have to end with the bits of the undisturbed run, and leave no temporary file.

    tests/faults/run.py [--bin build/release/bin] [--every N] [--memory N] [--jobs N]

--every 10 takes each tenth call only. Prints a table, and exits with 1 where anything differs.
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
    "EIO": ("change", "EIO", {0, 1}),
    "ENOSPC, once": ("change", "ENOSPC", {0, 1}),
    "disk full from there on": ("change", "full", {0, 1}),
    "short write": ("change", "short", {0}),
    "ENOMEM of an allocation": ("memory", "ENOMEM", {0, 1}),
    "ENOMEM of mmap": ("map", "ENOMEM", {0, 1}),
    "EAGAIN of a thread": ("thread", "EAGAIN", {1}),
}


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
        if path.is_dir() or name in TIMED:
            continue
        data = path.read_bytes()
        if name == "metrics.jsonl":
            lines = [json.loads(line) for line in data.splitlines()]
            for line in lines:
                line.pop("seconds", None)
            data = json.dumps(lines).encode()
        if name == "config.toml":  # names the folder
            data = data.replace(str(folder).encode(), b"OUT")
        found[name] = hashlib.sha256(data).hexdigest()
    return found


class Toy:
    def __init__(self, name, command, work, library):
        self.name, self.command, self.work, self.library = name, command, work, library
        out = work / f"{name}-undisturbed"
        self.calls = {}
        for kind in ("change", "memory", "map", "thread"):
            shutil.rmtree(out, ignore_errors=True)
            result = self.start(out, f"{kind}:0:kill")
            if result.returncode != 0:
                sys.exit(f"the undisturbed {name} failed: {result.stderr}")
            self.calls[kind] = int((work / "count").read_text())
        self.expected = content(out)

    def start(self, out, fault=None, resume=False):
        environment = dict(os.environ, MALLOC_ARENA_MAX="1")
        if fault:
            environment |= {"LD_PRELOAD": str(self.library), "TRIFOLD_FAULT": fault}
            if fault.split(":")[1] == "0":
                environment["TRIFOLD_FAULT_COUNT"] = str(self.work / "count")
        return subprocess.run([*self.command, "--out", out] + ["--resume"] * resume,
                              env=environment, capture_output=True, text=True, errors="replace")

    def disturb(self, kind, number, action, codes):
        """What is wrong after the fault and the resumption, or nothing."""
        out = self.work / f"{self.name}-{kind}-{number}-{action}"
        try:
            result = self.start(out, f"{kind}:{number}:{action}")
            if result.returncode not in codes:
                return f"ended with {result.returncode}: {result.stderr[-300:]}"
            if result.returncode == 1 and result.stderr.count("error: ") != 1:
                return f"no single error: {result.stderr[-300:]}"
            again = self.start(out, resume=True) if result.returncode != 0 else result
            if again.returncode != 0:
                return f"resumption ended with {again.returncode}: {again.stderr[-300:]}"
            found = content(out)
            names = {n for n in {*found, *self.expected} if found.get(n) != self.expected.get(n)}
            return f"differs or is left over: {sorted(names)}" if names else None
        finally:
            shutil.rmtree(out, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/release/bin")
    parser.add_argument("--every", type=int, default=1, help="each N-th call only")
    parser.add_argument("--memory", type=int, default=100, help="allocations that fail, of all")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--toy", choices=["train", "prune"], help="one of the two alone")
    chosen = parser.parse_args()
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        write_images(work / "images")
        data = f"idx:{work / 'images'}"
        library = build_library(work)
        common = ["--data", data, "--batch", "8", "--threads", "2"]
        train = [chosen.bin / "train", "--arch", "resnet8", "--epochs", "4", *common]
        subprocess.run([*train, "--out", work / "model"], check=True, capture_output=True)
        prune = [chosen.bin / "prune", "run", "--model", work / "model/model.safetensors",
                 "--target", "0.5", "--rounds", "2", "--round-epochs", "1", "--sparsity-epochs", "1",
                 "--finetune-epochs", "2", "--held-out", "8", "--bn-batches", "1",
                 "--probe-images", "100", *common]
        print(f"{'toy':6} {'fault':26} {'calls':>7} {'tried':>6} {'wrong':>6}", flush=True)
        for name, command in (("train", train), ("prune", prune)):
            if chosen.toy not in (None, name):
                continue
            toy = Toy(name, command, work, library)
            with concurrent.futures.ThreadPoolExecutor(chosen.jobs) as pool:
                for fault, (kind, action, codes) in FAULTS.items():
                    count = toy.calls[kind]
                    step = chosen.every if kind != "memory" else max(1, count // chosen.memory)
                    # The first allocations are those of static objects, before main().
                    first = 1 if kind != "memory" else step // 2 + 1
                    numbers = range(first, count + 1, step)
                    results = list(pool.map(
                        lambda n: toy.disturb(kind, n, action, codes), numbers))
                    wrong = [(n, r) for n, r in zip(numbers, results) if r]
                    print(f"{name:6} {fault:26} {count:7} {len(numbers):6} {len(wrong):6}",
                          flush=True)
                    for number, reason in wrong[:20]:
                        print(f"    at call {number}: {reason}", flush=True)
                    bad += len(wrong)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
