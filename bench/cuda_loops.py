"""What a warp issues in a kernel's machine code: its loops, and one turn of each, by kinds of
instructions. Pure functions of nvdisasm's listing of one kernel.

A block of code has one entry and one exit; branches lead from block to block. A loop is a natural
one: the blocks from which a back edge, that to a block through which every way to it leads, is
reached without that block. Of the ways through a loop's turn, or through what is outside all
loops, the one is counted that a kernel is written for: with the most tensor-core products, then
16-byte accesses of global memory and wide stores to shared memory, then float32 arithmetic; of ways
that are alike in these, the shortest. So copies by vectors are counted and not those of single
floats beside them, and a branch is taken that normalises what it copied. An instruction under a
false predicate is issued, and counts.
"""
import collections
import dataclasses
import re

KINDS = ["tensor", "fma", "float", "shared", "global", "integer", "conversion", "other"]

# The first that fits an opcode's beginning. HFMA2.MMA, which is how the compiler sets registers,
# is no product.
PATTERNS = [
    ("tensor", r"[HIDQ]G?MMA\."),
    ("fma", r"FFMA"),
    ("conversion", r"(F2F|F2I|I2F|F2FP|FRND|I2FP)\b"),
    ("shared", r"(LDS|STS|LDSM|STSM|ATOMS)\b"),
    ("global", r"(LDG|STG|LDGSTS|LD|ST|RED|ATOMG?)\b"),
    ("other", r"(BRA|BRX|JMP|EXIT|CALL|RET|BAR|BSSY|BSYNC|BREAK|BMOV|WARPSYNC|ENDCOLLECTIVE|NOP|YIELD|VOTE\w*|SHFL"
              r"|U?LDC|U?LDCU|S2U?R|CS2R|LDGDEPBAR|DEPBAR|MEMBAR|ERRBAR|CCTL|NANOSLEEP|ELECT|ACQBULK)\b"),
    ("integer", r"(FLO|DP\dA)\b"),
    ("float", r"(F[A-Z]|D[A-Z]|MUFU|HFMA|HADD|HMUL|HMNMX|HSET)"),
    ("integer", r""),
]


@dataclasses.dataclass(frozen=True)
class Instruction:
    opcode: str
    conditional: bool = False
    target: str = ""  # the label that a branch or a call names

    @property
    def kind(self):
        return next(kind for kind, pattern in PATTERNS if re.match(pattern, self.opcode))

    @property
    def jumps(self):
        """To its target. A call of a label within the kernel doesn't return: sm_80 leaves loops so."""
        return bool(re.match(r"(BRA|JMP)\b", self.opcode)) or (
            self.opcode.startswith("CALL") and self.target.startswith(".L_"))

    @property
    def leaves(self):
        return self.jumps or bool(re.match(r"(BRX|EXIT|RET)\b", self.opcode))

    @property
    def vectors(self):
        """16-byte accesses of global memory, and wide stores to shared memory."""
        return bool(re.match(r"(LDG|STG|LD|ST|LDGSTS)\.[\w.]*128|STS\.(64|128)", self.opcode))

    @property
    def wavefronts(self):
        """Those of a warp's access of shared memory without bank conflicts: of 128 bytes each."""
        if self.kind != "shared":
            return 0
        wide = re.search(r"\.(64|128|M88\.2|M88\.4|MT88\.2|MT88\.4)\b", self.opcode)
        return {"64": 2, "128": 4, "2": 2, "4": 4}[wide[1].rpartition(".")[2]] if wide else 1

    @property
    def multiply_adds(self):
        """Of a warp: those of one tensor-core product of m x n x k, or one a lane."""
        shape = re.match(r"HMMA\.(\d\d)(\d)(\d+)", self.opcode)
        if shape:
            return int(shape[1]) * int(shape[2]) * int(shape[3])
        return 32 * (self.kind == "fma")


@dataclasses.dataclass
class Issue:
    """What a warp issues along one way."""
    counts: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    vectors: int = 0
    wavefronts: int = 0
    multiply_adds: int = 0

    @property
    def instructions(self):
        return sum(self.counts.values())

    @property
    def products(self):
        """The instructions that multiply: on tensor cores, or where there are none on others."""
        return self.counts["tensor"] or self.counts["fma"]

    @property
    def merit(self):
        """By which the way is chosen; adds up along it."""
        arithmetic = self.counts["fma"] + self.counts["float"]
        return (self.counts["tensor"], self.vectors, arithmetic, -self.instructions)

    def __add__(self, other):
        return Issue(self.counts + other.counts, self.vectors + other.vectors,
                     self.wavefronts + other.wavefronts, self.multiply_adds + other.multiply_adds)


def issue_of(instructions):
    return Issue(collections.Counter(i.kind for i in instructions), sum(i.vectors for i in instructions),
                 sum(i.wavefronts for i in instructions), sum(i.multiply_adds for i in instructions))


@dataclasses.dataclass
class Loop:
    header: int
    blocks: set
    turn: Issue = None  # without the loops in it
    parent: "Loop" = None

    def holds(self, other):
        return other is not self and other.header in self.blocks


def read_blocks(listing):
    """The blocks of a kernel's code in order, as lists of instructions, and the block at each label."""
    blocks, labels = [[]], {}
    for line in listing.splitlines():
        if label := re.match(r"\s*(\.L_\w+|\$?[\w$]+):\s*$", line):
            if blocks[-1]:
                blocks.append([])
            labels[label[1]] = len(blocks) - 1
        elif code := re.match(r"\s*/\*[0-9a-f]{4,}\*/\s+(@!?U?P\w+\s+)?([A-Z][\w.]*)\s*([^;]*);", line):
            target = re.search(r"`\(([^)]+)\)", code[3])
            # On Hopper and later a uniform predicate is an operand: BRA.U UP0; a divergence's is a register.
            conditional = bool(code[1]) or re.match(r"BRA\.\w+", code[2]) is not None
            blocks[-1].append(Instruction(code[2], conditional, target[1] if target else ""))
            if blocks[-1][-1].leaves:
                blocks.append([])
    return ([b for b in blocks if b], labels) if blocks[-1] else (blocks[:-1], labels)


def successors(blocks, labels):
    edges = []
    for number, block in enumerate(blocks):
        last, after = block[-1], []
        if last.jumps:
            after.append(labels[last.target])
        if (not last.leaves or last.conditional) and number + 1 < len(blocks):
            after.append(number + 1)
        edges.append(after)
    return edges


def reachable(edges, entry):
    """Blocks that code at `entry` reaches, in reverse postorder."""
    order, seen, stack = [], {entry}, [(entry, iter(edges[entry]))]
    while stack:
        block, rest = stack[-1]
        following = next((s for s in rest if s not in seen), None)
        if following is None:
            order.append(block)
            stack.pop()
        else:
            seen.add(following)
            stack.append((following, iter(edges[following])))
    return order[::-1]


def dominators(edges, order):
    """Of each block, the blocks through which every way to it leads."""
    before = collections.defaultdict(list)
    for block in order:
        for after in edges[block]:
            before[after].append(block)
    through = {block: set(order) for block in order}
    through[order[0]] = {order[0]}
    changed = True
    while changed:
        changed = False
        for block in order[1:]:
            new = set.intersection(*(through[b] for b in before[block])) | {block}
            changed |= new != through[block]
            through[block] = new
    return through


def find_loops(edges, order):
    """The natural loops, outer ones before those in them. A block that only leads to itself, which
    the compiler puts after the code, is none."""
    through = dominators(edges, order)
    loops = {}
    for block in order:
        for header in edges[block]:
            if header not in through[block]:
                continue
            loop = loops.setdefault(header, Loop(header, {header}))
            stack = [block]
            while stack:
                b = stack.pop()
                if b in loop.blocks:
                    continue
                loop.blocks.add(b)
                stack += [p for p in order if b in edges[p]]
    ordered = sorted(loops.values(), key=lambda l: -len(l.blocks))
    for loop in ordered:
        loop.parent = min((l for l in ordered if l.holds(loop)), key=lambda l: len(l.blocks), default=None)
    return ordered


def best_way(entry, own, edges, order, within, inner):
    """The best way from `entry` through the blocks `within`, back to it or to where the code ends. A
    loop of `inner` is passed through, and what it issues isn't counted: its header stands for it."""
    header = {block: loop.header for loop in inner for block in loop.blocks}
    arriving = collections.defaultdict(list)  # by block: the best way to the end of each before it
    arriving[entry] = [Issue()]
    best, ends = {}, []
    for block in (b for b in order if b in within):
        stands = header.get(block, block)
        if stands == block and arriving[block]:
            way = max(arriving[block], key=lambda i: i.merit)
            best[block] = way if block in header else way + own[block]
        if stands not in best:
            continue
        for after in edges[block]:
            if after == entry:
                ends.append(best[stands])
            elif after in within and (block not in header or header.get(after) != stands):
                arriving[after].append(best[stands])
        if not edges[block]:
            ends.append(best[stands])
    return max(ends, key=lambda i: i.merit, default=Issue())


def examine(listing):
    """(once, loops): what a warp issues outside all loops, and the loops, with a turn of each."""
    blocks, labels = read_blocks(listing)
    edges = successors(blocks, labels)

    def ways_of(entry):
        order = reachable(edges, entry)
        own = {b: issue_of(blocks[b]) for b in order}
        for b in order:
            for i in blocks[b]:
                if i.opcode.startswith("CALL") and not i.jumps and labels.get(i.target, 0):
                    own[b] = own[b] + ways_of(labels[i.target])[0]
        loops = find_loops(edges, order)
        for loop in loops:
            inner = [l for l in loops if l.parent is loop]
            loop.turn = best_way(loop.header, own, edges, order, loop.blocks, inner)
        outer = [l for l in loops if l.parent is None]
        return best_way(entry, own, edges, order, set(order), outer), loops

    return ways_of(0)


def product_loops(loops):
    """The innermost loops that multiply: on tensor cores, or where a kernel has none those with most
    multiply-adds, or half as many."""
    kind = "tensor" if any(l.turn.counts["tensor"] for l in loops) else "fma"
    least = 1 if kind == "tensor" else max((l.turn.counts["fma"] for l in loops), default=0) / 2
    multiply = [l for l in loops if l.turn.counts[kind] and l.turn.counts[kind] >= least]
    return [l for l in multiply if not any(l.holds(other) for other in multiply)]
