#!/usr/bin/env python3
"""What the compiler made of the CUDA kernels, without a GPU: registers, spills, shared memory, the
occupancy that follows, counts of instructions in the machine code, and what a warp issues in one
turn of the loops that multiply. Prints Markdown tables for each architecture.

    bench/cuda_static.py [--arch 80 90] [--source kernels/cuda/conv2d/forward.cu ...]
    bench/cuda_static.py --arch 90 --loops bench/cuda_loops.tsv     for cuda_roofline, too
    bench/cuda_static.py --arch 90 --changed 50     what the last 50 commits have touched

Needs nvcc, c++filt and nvdisasm, which is part of the CUDA toolkit and, alone, of the Python
package nvidia-cuda-nvdisasm. Counts are of instructions in the code, not of executions.

Exit status 1: a kernel spills registers, or lacks the instructions that it was written for.
"""
import argparse
import concurrent.futures
import dataclasses
import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import cuda_loops

ROOT = Path(__file__).resolve().parents[1]


@dataclasses.dataclass(frozen=True)
class Multiprocessor:
    """Limits of one multiprocessor, from the CUDA programming guide's table of compute capabilities."""
    shared_bytes: int
    warps: int = 64
    blocks: int = 32
    registers: int = 65536


MULTIPROCESSORS = {
    80: Multiprocessor(164 << 10),
    86: Multiprocessor(100 << 10, warps=48, blocks=16),
    89: Multiprocessor(100 << 10, warps=48, blocks=24),
    90: Multiprocessor(228 << 10),
    100: Multiprocessor(228 << 10),
    120: Multiprocessor(100 << 10, warps=48),
}

# Kernels by name, what they must have, and the counts of which one must not be 0.
REQUIREMENTS = [
    (r"^(forward|backward_data|backward_weight|fused_backward)_kernel<(Tf32|Bf16)", "tensor-core products", ["hmma"]),
    (r"^(forward|backward_data|backward_weight|fused_backward)_kernel<", "16-byte loads", ["loads"]),
    (r"^(forward|backward_data|backward_weight|fused_backward)_kernel<", "16-byte stores", ["stores"]),
    (r"^\w+_kernel<4,", "16-byte accesses", ["loads", "stores"]),
]

# Kernels whose loops are counted.
MULTIPLYING = r"(forward|backward_data|backward_weight|fused_backward)_kernel<"

INSTRUCTIONS = {
    "loads": r"(LDG|LD|LDGSTS)\.[\w.]*128",
    "stores": r"(STG|ST)\.[\w.]*128",
    "shared": r"(LDS\.128|LDSM\.[\w.]*4)",
    "hmma": r"HMMA\.",
    "ffma": r"FFMA",
}


@dataclasses.dataclass
class Kernel:
    name: str
    registers: int = 0
    spilled_bytes: int = 0
    shared_bytes: int = 0
    threads: int = 0
    counts: dict = dataclasses.field(default_factory=lambda: dict.fromkeys(INSTRUCTIONS, 0))
    once: cuda_loops.Issue = None  # outside all loops
    loops: list = dataclasses.field(default_factory=list)

    def blocks(self, sm):
        """Blocks that fit on a multiprocessor: the rounding is the occupancy calculator's."""
        warps = -(-self.threads // 32)
        registers_per_warp = -(-self.registers * 32 // 256) * 256
        warps_by_registers = sm.registers // registers_per_warp // 4 * 4
        shared = -(-self.shared_bytes // 128) * 128 + 1024
        return min(sm.blocks, sm.warps // warps, warps_by_registers // warps, sm.shared_bytes // shared)

    def occupancy(self, sm):
        return self.blocks(sm) * -(-self.threads // 32) / sm.warps


def find_nvdisasm(nvcc):
    beside = Path(shutil.which(nvcc) or nvcc).resolve().with_name("nvdisasm")
    if beside.exists():
        return str(beside)
    if on_path := shutil.which("nvdisasm"):
        return on_path
    package = importlib.util.find_spec("nvidia")
    for folder in package.submodule_search_locations if package else []:
        for found in Path(folder).glob("*/bin/nvdisasm"):
            return str(found)
    sys.exit("nvdisasm isn't here; install it with: pip install nvidia-cuda-nvdisasm")


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stderr}")
    return done.stdout + done.stderr


def short_name(mangled):
    """The kernel's name and template arguments, without namespaces, parameters and result."""
    full = run("c++filt", mangled).strip()
    for noise in ("trifold::kernels::cuda::", "(anonymous namespace)::", "void "):
        full = full.replace(noise, "")
    full = re.sub(r"\(([\w:]+)\)(\d+)", r"\2", full).replace(" >", ">")
    depth = 0
    for at, letter in enumerate(full):
        depth += {"<": 1, ">": -1}.get(letter, 0)
        if letter == "(" and depth == 0:
            return full[:at]
    return full


def read_resources(text):
    """Kernels by mangled name, from what ptxas says with -v."""
    kernels = {}
    for part in text.split("Compiling entry function '")[1:]:
        mangled = part[:part.index("'")]
        kernel = kernels[mangled] = Kernel(short_name(mangled))
        kernel.registers = int(re.search(r"Used (\d+) registers", part)[1])
        stores, loads = re.search(r"(\d+) bytes spill stores, (\d+) bytes spill loads", part).groups()
        kernel.spilled_bytes = int(stores) + int(loads)
        shared = re.search(r"(\d+) bytes smem", part)
        kernel.shared_bytes = int(shared[1]) if shared else 0
    return kernels


def read_code(text, kernels):
    """Adds the instructions, and the threads of a block, from nvdisasm's listing."""
    for section in re.split(r"^\s*\.section\s+", text, flags=re.MULTILINE):
        if info := re.match(r"\.nv\.info\.([\w$]+)", section):
            words = section.partition("EIATTR_MAX_THREADS")[2]
            extents = re.findall(r"\.word\s+(0x[0-9a-f]+)", words)[:3]
            x, y, z = (int(e, 16) for e in extents) if extents else (1024, 1, 1)
            kernels[info[1]].threads = x * y * z
        elif code := re.match(r"\.text\.([\w$]+)", section):
            for opcode in re.findall(r"/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?([A-Z][\w.]*)", section):
                for kind, pattern in INSTRUCTIONS.items():
                    kernels[code[1]].counts[kind] += bool(re.match(pattern, opcode))
            kernels[code[1]].once, kernels[code[1]].loops = cuda_loops.examine(section)


def examine(source, arch, options, nvdisasm, folder):
    cubin = Path(folder) / f"{Path(source).stem}.{arch}.cubin"
    log = cubin.with_suffix(".log")
    newest = max(p.stat().st_mtime for p in [Path(source), *ROOT.glob("kernels/**/*.*")])
    if not cubin.exists() or not log.exists() or cubin.stat().st_mtime < newest:
        log.write_text(run(options.nvcc, "-std=c++20", "-O3", "-I", ROOT, *(f"-I{i}" for i in options.include),
                           f"-arch=sm_{arch}", "-cubin", "-Xptxas", "-v", "-o", cubin, source))
    kernels = read_resources(log.read_text())
    if kernels:
        read_code(run(nvdisasm, cubin), kernels)
    return list(kernels.values())


def faults_of(kernel):
    if kernel.spilled_bytes:
        yield f"{kernel.name} spills {kernel.spilled_bytes} bytes"
    for pattern, what, kinds in REQUIREMENTS:
        if re.search(pattern, kernel.name) and not any(kernel.counts[k] for k in kinds):
            yield f"{kernel.name} has no {what}"


def print_table(arch, kernels):
    sm = MULTIPROCESSORS[arch]
    print(f"### sm_{arch}\n")
    print("| kernel | threads | registers | spilled B | shared B | blocks | occupancy "
          "| 16-byte loads | 16-byte stores | wide shared loads | HMMA | FFMA |")
    print("|---|" + "--:|" * 11)
    for k in kernels:
        counts = " | ".join(str(k.counts[kind]) for kind in INSTRUCTIONS)
        print(f"| `{k.name}` | {k.threads} | {k.registers} | {k.spilled_bytes} | {k.shared_bytes} "
              f"| {k.blocks(sm)} | {100 * k.occupancy(sm):.0f} % | {counts} |")
    print()


def print_loops(arch, kernels):
    """The loops that multiply, and those around them, of the kernels that were written to."""
    print(f"### sm_{arch}: a turn of the loops that multiply, a warp\n")
    print("| kernel | loop | products | instructions | a product | " + " | ".join(cuda_loops.KINDS[1:])
          + " | outside loops |")
    print("|---|---|" + "--:|" * (len(cuda_loops.KINDS) + 3))
    for k in kernels:
        if not re.match(MULTIPLYING, k.name):
            continue
        products = cuda_loops.product_loops(k.loops)
        for loop in k.loops:
            turn, multiplies = loop.turn, any(loop is p for p in products)
            if not multiplies and not any(loop.holds(p) for p in products):
                continue
            a_product = f"{turn.instructions / turn.products:.1f}" if multiplies else ""
            counts = " | ".join(str(turn.counts[kind]) for kind in cuda_loops.KINDS[1:])
            print(f"| `{k.name}` | {'products' if multiplies else 'around'} | {turn.products if multiplies else ''} "
                  f"| {turn.instructions} | {a_product} | {counts} | {k.once.instructions} |")
    print()


def write_loops(file, kernels_of_arch):
    """A line for what is outside the loops of each kernel, and one for each loop, by tabs: its number,
    0 for what is outside, that of the loop that holds it, whether it multiplies, and its turn."""
    print("arch", "kernel", "loop", "within", "multiplies", "instructions", "wavefronts", *cuda_loops.KINDS,
          sep="\t", file=file)
    for arch, kernels in kernels_of_arch.items():
        for k in {k.name: k for k in kernels if re.match(MULTIPLYING, k.name)}.values():
            numbers = {id(loop): i for i, loop in enumerate(k.loops, 1)}
            multiply = {id(loop) for loop in cuda_loops.product_loops(k.loops)}
            parts = [(0, 0, 0, k.once)]
            parts += [(numbers[id(l)], numbers.get(id(l.parent), 0), int(id(l) in multiply), l.turn) for l in k.loops]
            for *place, turn in parts:
                print(arch, k.name, *place, turn.instructions, turn.wavefronts,
                      *(turn.counts[kind] for kind in cuda_loops.KINDS), sep="\t", file=file)


def included_by(source, seen):
    """The project's files that the code of `source` is made from, itself among them."""
    if source in seen or source.name == "backends.h":  # declares every op, and makes no code
        return
    seen.add(source)
    for name in re.findall(r'^\s*#\s*include\s+"([^"]+)"', source.read_text(), re.MULTILINE):
        if (ROOT / name).exists():
            included_by(ROOT / name, seen)


def changed_among(sources, commits):
    """Those of the sources that are compiled from a file which the last commits have touched; all of
    them where there aren't so many commits."""
    done = subprocess.run(["git", "diff", "--name-only", f"HEAD~{commits}"], capture_output=True, text=True, cwd=ROOT)
    if done.returncode != 0:
        return sources
    touched = {ROOT / name for name in done.stdout.split()}
    result = []
    for source in sources:
        files = set()
        included_by(source, files)
        if files & touched:
            result.append(source)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--arch", type=int, nargs="+", default=[80, 90], choices=MULTIPROCESSORS)
    parser.add_argument("--source", nargs="+", help="default: all of kernels/cuda")
    parser.add_argument("--changed", type=int, metavar="N", help="only what the last N commits have touched")
    parser.add_argument("--nvcc", default=shutil.which("nvcc") or "/usr/local/cuda/bin/nvcc")
    parser.add_argument("--nvdisasm", help="default: beside nvcc, on the path or in the Python package")
    parser.add_argument("--include", nargs="+", default=[], help="more folders of headers")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--loops", type=Path, help="writes what is in the loops' tables here, too")
    parser.add_argument("--keep", type=Path, help="a folder where machine code stays until a kernel changes")
    options = parser.parse_args()
    nvdisasm = options.nvdisasm or find_nvdisasm(options.nvcc)
    own = [*ROOT.glob("kernels/cuda/*.cu"), *ROOT.glob("kernels/cuda/conv2d/*.cu")]
    sources = [Path(s).resolve() for s in options.source or sorted(own)]
    if options.changed is not None:
        sources = changed_among(sources, options.changed)

    print("# CUDA kernels: counted from the compiler's output\n\n"
          "By `bench/cuda_static.py`; nothing here was measured on a GPU. Loads, stores, HMMA and FFMA are\n"
          "instructions in the code, not executions. Shared memory is what a kernel declares; fused_backward_kernel\n"
          "is launched with up to 71 KiB more, and then fewer blocks fit than the table says.\n\n"
          "Of the convolutions' loops a second table has what a warp issues in one turn on the way of vectors\n"
          "(`bench/cuda_loops.py`), products being HMMA or, in float32, FFMA. Loops beside those are left out.\n")
    faults = []
    kernels_of_arch = {}
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, \
            concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for arch in options.arch:
            parts = pool.map(lambda source: examine(source, arch, options, nvdisasm, options.keep or scratch), sources)
            kernels = sorted((k for part in parts for k in part), key=lambda k: k.name)
            kernels_of_arch[arch] = kernels
            print_table(arch, kernels)
            print_loops(arch, kernels)
            faults += [f"sm_{arch}: {fault}" for k in kernels for fault in faults_of(k)]
    if options.loops:
        with options.loops.open("w") as file:
            write_loops(file, kernels_of_arch)
    print(*faults or ["No kernel spills, and each has the instructions that it was written for."], sep="\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
