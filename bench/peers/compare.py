#!/usr/bin/env python3
"""Times whole steps of Trifold and of others in turn, several rounds, and prints the ratio.

    bench/peers/compare.py [--rounds 5] [--seconds 4] [--out FILE.csv] [CASE...] [--peers P...]

A case is NETWORK:MODE:BATCH:SIDE, MODE being training or inference, such as resnet20:training:128:32.
Each round runs Trifold and every peer once, each in a process of its own, so that what else the
machine does meets all of them. The peers are PyTorch in several variants and, for inference, ONNX
Runtime and OpenVINO; they compute in float32, except for PyTorch's bf16 autocast, which is a column of
its own. The last column is the median over the rounds of (the best float32 peer's time / Trifold's
time), with its least and greatest value: above 1 Trifold is ahead.

The peers come from bench/peers/setup.sh. They get an allocator that keeps its pages.
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
    "mobilenetv2:inference:128:32", "mobilenetv2:inference:1:32", "resnet50:inference:16:224",
]
# glibc hands freed blocks of this size back to the system, and the next step pays for fresh pages.
keep_pages = {"MALLOC_MMAP_THRESHOLD_": str(1 << 32), "MALLOC_TRIM_THRESHOLD_": str(1 << 34),
              "MALLOC_TOP_PAD_": str(1 << 28)}

peers = {"channels_last": ["torch_step.py", "--channels-last"], "nchw": ["torch_step.py"],
         "channels_last+compile": ["torch_step.py", "--channels-last", "--compile"],
         "nchw+compile": ["torch_step.py", "--compile"],
         "bf16": ["torch_step.py", "--channels-last", "--precision", "bf16"],
         "onnxruntime": ["onnx_step.py", "--runtime", "onnxruntime"],
         "openvino": ["onnx_step.py", "--runtime", "openvino"]}
columns = {"PyTorch": ["channels_last", "nchw", "channels_last+compile", "nchw+compile"],
           "bf16": ["bf16"], "ORT": ["onnxruntime"], "OpenVINO": ["openvino"]}
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
    parser.add_argument("--peers", nargs="+", choices=peers, default=list(peers),
                        help="compiling takes minutes a network")
    parser.add_argument("--out", type=Path, help="a CSV file with every single run")
    parser.add_argument("--build", type=Path, default=root / "build/release")
    parser.add_argument("--python", type=Path, default=root / "build/peers/bin/python")
    o = parser.parse_args()

    commit = subprocess.run(["git", "-C", root, "rev-parse", "--short", "HEAD"],
                            capture_output=True, text=True).stdout.strip()
    rows = []
    print(f"{cpu_name()}, {o.threads} threads, commit {commit}")
    print(f"{'case':<30} {'Trifold':>10}" + "".join(f"{name:>10}" for name in columns)
          + " ms  ratio (least, greatest)")
    for case in o.cases or default_cases:
        network, mode, batch, side = case.split(":")
        flags = ["--network", network, "--batch", batch, "--side", side, "--seconds", str(o.seconds),
                 "--threads", str(o.threads)] + (["--inference"] if mode == "inference" else [])
        able = [p for p in o.peers if mode == "inference" or peers[p][0] == "torch_step.py"]
        ours, theirs = [], {p: [] for p in able}
        for turn in range(o.rounds):
            results = {"trifold": run([o.build / "bin/bench_train", *flags], o.limit)}
            for peer in able:
                script, *options = peers[peer]
                results[peer] = run([o.python, root / "bench/peers" / script, *flags, *options],
                                    o.limit)
            ours.append(results["trifold"]["median_ms"])
            for who, result in results.items():
                if who != "trifold":
                    theirs[who].append(result["median_ms"])
                rows.append({"case": case, "round": turn,
                             "who": who if who == "trifold" else peers[who][0].split("_")[0],
                             "variant": result.get("variant", result.get("instruction_set")),
                             "median_ms": result["median_ms"], "fastest_ms": result["fastest_ms"],
                             "peak_memory_mb": result["peak_memory_mb"],
                             "peak_process_mb": result["peak_process_mb"], "threads": o.threads,
                             "limit": o.limit, "cpu": cpu_name(), "version": result.get("version", commit)})
        cells = []
        for names in columns.values():
            medians = [statistics.median(theirs[p]) for p in names if theirs.get(p)]
            cells.append(f"{min(medians):>10.2f}" if medians else f"{'-':>10}")
        best = [min(times[turn] for p, times in theirs.items() if p != "bf16")
                for turn in range(o.rounds)] if set(able) - {"bf16"} else []
        ratios = [theirs_ms / ours_ms for theirs_ms, ours_ms in zip(best, ours)]
        print(f"{case:<30} {statistics.median(ours):>10.2f}" + "".join(cells)
              + (f"     {statistics.median(ratios):.2f} ({min(ratios):.2f}, {max(ratios):.2f})"
                 if ratios else ""), flush=True)
        if o.out:
            o.out.parent.mkdir(parents=True, exist_ok=True)
            with o.out.open("w", newline="") as file:
                writer = csv.DictWriter(file, rows[0].keys())
                writer.writeheader()
                writer.writerows(rows)


if __name__ == "__main__":
    main()
