#!/usr/bin/env python3
"""Times whole steps of Trifold and of PyTorch in turn, several rounds, and prints the ratio.

    bench/peers/compare.py [--rounds 5] [--seconds 4] [--out FILE.csv] [CASE...] [--variants V...]

A case is NETWORK:MODE:BATCH:SIDE, MODE being training or inference, such as resnet20:training:128:32.
Each round runs every variant of PyTorch and Trifold once, each in a process of its own, so that what
else the machine does meets all of them; the best variant of PyTorch counts. The last column is the
median over the rounds of (PyTorch's best time / Trifold's time), with its least and greatest value.

PyTorch comes from bench/peers/setup.sh. It gets an allocator that keeps its pages.
"""
import argparse
import csv
import json
import os
import platform
import statistics
import subprocess
from pathlib import Path

root = Path(__file__).resolve().parents[2]
default_cases = [
    "resnet20:training:128:32", "resnet56:training:128:32", "densenet40:training:128:32",
    "resnet50:training:16:224",
    "resnet20:inference:128:32", "resnet56:inference:128:32", "densenet40:inference:128:32",
    "resnet20:inference:1:32", "resnet56:inference:1:32", "densenet40:inference:1:32",
]
# glibc hands freed blocks of this size back to the system, and the next step pays for fresh pages.
keep_pages = {"MALLOC_MMAP_THRESHOLD_": str(1 << 32), "MALLOC_TRIM_THRESHOLD_": str(1 << 34),
              "MALLOC_TOP_PAD_": str(1 << 28)}

variants = {"channels_last": ["--channels-last"], "nchw": [],
            "channels_last+compile": ["--channels-last", "--compile"], "nchw+compile": ["--compile"]}
limits = {"avx2": {"TRIFOLD_ISA": "avx2", "ATEN_CPU_CAPABILITY": "avx2",
                   "ONEDNN_MAX_CPU_ISA": "AVX2"}}


def run(command, limit):
    done = subprocess.run(command, env={**os.environ, **keep_pages, **limits.get(limit, {})},
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))} failed: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def cpu_name():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--limit", choices=limits, help="the instruction set of both sides")
    parser.add_argument("--variants", nargs="+", choices=variants, default=list(variants),
                        help="PyTorch's; compiling takes minutes a network")
    parser.add_argument("--out", type=Path, help="a CSV file with every single run")
    parser.add_argument("--build", type=Path, default=root / "build/release")
    parser.add_argument("--python", type=Path, default=root / "build/peers/bin/python")
    o = parser.parse_args()

    commit = subprocess.run(["git", "-C", root, "rev-parse", "--short", "HEAD"],
                            capture_output=True, text=True).stdout.strip()
    rows = []
    print(f"{cpu_name()}, {o.threads} threads, commit {commit}")
    print(f"{'case':<32} {'Trifold':>11} {'PyTorch':>11} {'variant':>22}  ratio (least, greatest)")
    for case in o.cases or default_cases:
        network, mode, batch, side = case.split(":")
        flags = ["--network", network, "--batch", batch, "--side", side, "--seconds", str(o.seconds),
                 "--threads", str(o.threads)] + (["--inference"] if mode == "inference" else [])
        ratios, ours, theirs = [], [], {}
        for turn in range(o.rounds):
            mine = run([o.build / "bin/bench_train", *flags], o.limit)
            peers = [run([o.python, root / "bench/peers/torch_step.py", *flags, *variants[v]],
                         o.limit)
                     for v in o.variants]
            ours.append(mine["median_ms"])
            for peer in peers:
                theirs.setdefault(peer["variant"], []).append(peer["median_ms"])
            ratios.append(min(peer["median_ms"] for peer in peers) / mine["median_ms"])
            for who, result in [("trifold", mine)] + [("torch", p) for p in peers]:
                rows.append({"case": case, "round": turn, "who": who,
                             "variant": result.get("variant", result.get("instruction_set")),
                             "median_ms": result["median_ms"], "fastest_ms": result["fastest_ms"],
                             "peak_memory_mb": result["peak_memory_mb"],
                             "peak_process_mb": result["peak_process_mb"], "threads": o.threads,
                             "limit": o.limit, "cpu": cpu_name(), "version": result.get("version", commit)})
        variant, times = min(theirs.items(), key=lambda item: statistics.median(item[1]))
        print(f"{case:<32} {statistics.median(ours):>8.2f} ms {statistics.median(times):>8.2f} ms "
              f"{variant:>22}  {statistics.median(ratios):.2f} ({min(ratios):.2f}, "
              f"{max(ratios):.2f})", flush=True)
        if o.out:
            o.out.parent.mkdir(parents=True, exist_ok=True)
            with o.out.open("w", newline="") as file:
                writer = csv.DictWriter(file, rows[0].keys())
                writer.writeheader()
                writer.writerows(rows)


if __name__ == "__main__":
    main()
