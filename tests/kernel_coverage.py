#!/usr/bin/env python3
"""Lists how often the kernels' tests launch each CUDA kernel, and fails where one is never launched.

    tests/kernel_coverage.py [build/emulated/tests/test_kernels] > kernel_coverage.md

Runs each suite of the program, which is built for the emulator, with SIMT_PROFILE=1. An instance is a
kernel with its template arguments; all that the program holds are to be launched.
"""
import collections
import concurrent.futures
import os
import re
import subprocess
import sys

program = sys.argv[1] if len(sys.argv) > 1 else "build/emulated/tests/test_kernels"
# The parameters are left out where debug information, and not a symbol, names the function.
function = re.compile(r"(?:void )?(\w+_kernel)(<.*>)?(?:\(|$)")


def instance(signature):
    """(kernel, template arguments) of a kernel's signature, None of another function's."""
    for scope in ("(anonymous namespace)::", "trifold::kernels::cuda::"):
        signature = signature.replace(scope, "")
    match = function.match(signature)
    return (match[1], match[2] or "") if match else None


def instances_of(program):
    symbols = subprocess.run(["nm", "-C", program], capture_output=True, text=True, check=True).stdout
    lines = re.findall(r"^[0-9a-f]+ [TtWw] (.*)$", symbols, re.M)
    return {found for line in lines if (found := instance(line))}


def suites_of(program):
    lines = subprocess.run([program, "--gtest_list_tests"], capture_output=True, text=True,
                           check=True).stdout.splitlines()
    return [line.split()[0] for line in lines if line and line[0].isalpha() and "." in line.split()[0]]


def launches_of(suite):
    done = subprocess.run([program, f"--gtest_filter={suite}*", "--gtest_brief=1"],
                          env={**os.environ, "SIMT_PROFILE": "1"}, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"the tests {suite}* failed: {done.stdout[-500:]}")
    profile = re.findall(r"^simt: profile of (.*?): launches (\d+),", done.stderr, re.M)
    return [(instance(signature), int(count)) for signature, count in profile]


def main():
    held = instances_of(program)
    if not held:
        raise SystemExit(f"there is no kernel in {program}")
    launches = collections.Counter()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for found in pool.map(launches_of, suites_of(program)):
            for key, count in found:
                launches[key] += count
    print("| kernel | instances | of them launched | launches |\n|---|--:|--:|--:|")
    for kernel in sorted({kernel for kernel, _ in held}):
        keys = [key for key in held if key[0] == kernel]
        print(f"| {kernel} | {len(keys)} | {sum(launches[key] > 0 for key in keys)} | "
              f"{sum(launches[key] for key in keys)} |")
    missing = sorted(key for key in held if launches[key] == 0)
    for kernel, arguments in missing:
        print(f"never launched: {kernel}{arguments}", file=sys.stderr)
    if missing:
        raise SystemExit(f"{len(missing)} of {len(held)} instances of kernels are not tested")


if __name__ == "__main__":
    main()
