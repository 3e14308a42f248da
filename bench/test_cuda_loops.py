#!/usr/bin/env python3
"""Tests of bench/cuda_loops.py on code written by hand, in the form in which nvdisasm prints it."""
import unittest

import cuda_loops


def listing(code):
    """Numbers the instructions of "[@P0] OPCODE OPERANDS" lines; others, labels, stay."""
    lines, address = [], 0
    for line in code.strip().splitlines():
        line = line.strip()
        if line.endswith(":"):
            lines.append(line)
            continue
        lines.append(f"        /*{address:04x}*/  {line} ;")
        address += 16
    return "\n".join(lines)


# A loop over steps with a way for vectors and one for single floats, one more in front of it that
# sets up 3 rows, and a division behind.
KERNEL = listing("""
_Z6kernelPf:
.text._Z6kernelPf:
    S2R R0, SR_TID.X
    ISETP.GE.AND P0, PT, R0, 0x3, PT
.L_x_0:
    STS.64 [R0], R2
    IADD3 R0, R0, 0x1, RZ
    @!P0 BRA `(.L_x_0)
    BAR.SYNC.DEFER_BLOCKING 0x0
.L_x_1:
    @P1 BRA `(.L_x_2)
    LDG.E R4, desc[UR4][R2.64]
    LDG.E R5, desc[UR4][R2.64+0x4]
    BRA `(.L_x_3)
.L_x_2:
    IMAD.WIDE R2, R7, 0x4, R4
    LDG.E.128 R4, desc[UR4][R2.64]
    F2FP.BF16.F32.PACK_AB R4, R5, R4
    STS.64 [R8], R4
.L_x_3:
    LDSM.16.M88.4 R12, [R9]
    HMMA.16816.F32.BF16 R16, R12, R10, R16
    HMMA.16816.F32.BF16 R20, R12, R11, R20
    FMNMX R4, R4, RZ, !PT
    @P2 BRA `(.L_x_1)
    CALL.REL.NOINC `($__internal_0_$__cuda_div)
    STG.E.128 desc[UR4][R2.64], R16
    EXIT
$__internal_0_$__cuda_div:
    MUFU.RCP R0, R0
    RET.REL.NODEC R4 `(_Z6kernelPf)
.L_x_4:
    BRA `(.L_x_4)
    NOP
""")

# A loop over tiles with two product loops in it, as fused_backward_kernel has.
NESTED = listing("""
.text._Z5fusedPf:
    MOV R0, RZ
.L_x_0:
    IADD3 R0, R0, 0x1, RZ
.L_x_1:
    FFMA R1, R2, R3, R1
    FFMA R4, R2, R3, R4
    @P0 BRA `(.L_x_1)
    @P3 BRA `(.L_x_3)
.L_x_2:
    FFMA R5, R2, R3, R5
    LDS.128 R8, [R5]
    @P1 BRA `(.L_x_2)
.L_x_3:
    BAR.SYNC.DEFER_BLOCKING 0x0
    @P2 BRA `(.L_x_0)
    EXIT
""")


class Instructions(unittest.TestCase):
    def kind(self, opcode):
        return cuda_loops.Instruction(opcode).kind

    def test_kinds(self):
        for kind, opcodes in {
            "tensor": ["HMMA.16816.F32.BF16", "HMMA.1688.F32.TF32"],
            "fma": ["FFMA", "FFMA.FTZ"],
            "float": ["FADD", "FMNMX", "FSETP.GT.AND", "MUFU.RCP", "DFMA", "HFMA2.MMA"],
            "shared": ["LDS.128", "STS.64", "LDSM.16.MT88.4"],
            "global": ["LDG.E.128", "STG.E", "LDGSTS.E.BYPASS.128", "LD.E"],
            "integer": ["IMAD.WIDE", "IADD3.X", "LEA", "VIADD", "ISETP.NE.AND", "SEL", "FLO.U32", "MOV", "PRMT"],
            "conversion": ["F2FP.BF16.F32.PACK_AB", "I2F.U32.RP", "F2I.FTZ.U32.TRUNC.NTZ"],
            "other": ["BAR.SYNC.DEFER_BLOCKING", "LDC.64", "ULDC", "BRA.U", "DEPBAR.LE", "S2R", "LDGDEPBAR"],
        }.items():
            for opcode in opcodes:
                with self.subTest(opcode):
                    self.assertEqual(self.kind(opcode), kind)

    def test_wavefronts_are_128_bytes(self):
        for opcode, count in [("LDS", 1), ("STS.64", 2), ("LDS.128", 4), ("LDSM.16.M88.4", 4), ("LDSM.16.M88.2", 2),
                              ("LDG.E.128", 0)]:
            self.assertEqual(cuda_loops.Instruction(opcode).wavefronts, count, opcode)

    def test_multiply_adds(self):
        for opcode, count in [("HMMA.16816.F32.BF16", 2048), ("HMMA.1688.F32.TF32", 1024), ("FFMA", 32), ("FADD", 0)]:
            self.assertEqual(cuda_loops.Instruction(opcode).multiply_adds, count, opcode)


class Loops(unittest.TestCase):
    def test_counts_the_way_of_vectors(self):
        once, loops = cuda_loops.examine(KERNEL)
        products = cuda_loops.product_loops(loops)
        self.assertEqual(len(loops), 2)
        self.assertEqual(len(products), 1)
        self.assertEqual(dict(products[0].turn.counts),
                         {"tensor": 2, "shared": 2, "global": 1, "integer": 1, "conversion": 1, "float": 1, "other": 2})
        self.assertEqual(products[0].turn.multiply_adds, 4096)
        self.assertEqual(products[0].turn.wavefronts, 6)

    def test_counts_once_what_is_outside_and_what_it_calls(self):
        once, _ = cuda_loops.examine(KERNEL)
        self.assertEqual(dict(once.counts), {"other": 5, "integer": 1, "float": 1, "global": 1})

    def test_leaves_inner_loops_to_themselves(self):
        once, loops = cuda_loops.examine(NESTED)
        tiles, *inner = loops
        self.assertEqual(cuda_loops.product_loops(loops), inner)
        self.assertEqual([l.parent for l in loops], [None, tiles, tiles])
        self.assertEqual(once.instructions, 2)
        self.assertEqual(dict(tiles.turn.counts), {"integer": 1, "other": 3})
        self.assertEqual(sorted(l.turn.multiply_adds for l in inner), [32, 64])

    def test_code_without_loops(self):
        once, loops = cuda_loops.examine(listing(".text.f:\n MOV R0, RZ\n @P0 EXIT\n STG.E.128 [R2], R4\n EXIT"))
        self.assertEqual(loops, [])
        self.assertEqual(once.instructions, 4)

    def test_a_call_of_a_label_within_leaves_the_loop(self):
        once, (loop,) = cuda_loops.examine(listing("""
            .text._Z4leftPf:
                MOV R0, RZ
            .L_x_0:
                FFMA R1, R2, R3, R1
                @P0 CALL.REL.NOINC `(.L_x_1)
                BRA `(.L_x_0)
            .L_x_1:
                IADD3 R0, R0, 0x1, RZ
                @P1 CALL.REL.NOINC `(.L_x_2)
                BRA `(.L_x_0)
            .L_x_2:
                EXIT
            """))
        self.assertEqual(loop.turn.counts["fma"], 1)
        self.assertEqual(once.instructions, 2)

    def test_a_branch_that_divergence_takes_goes_on_too(self):
        _, loops = cuda_loops.examine(listing(
            ".L_x_0:\n FFMA R0, R1, R2, R0\n BRA.DIV UR4, `(.L_x_1)\n @P0 BRA `(.L_x_0)\n EXIT\n.L_x_1:\n EXIT"))
        self.assertEqual([l.turn.instructions for l in loops], [3])


if __name__ == "__main__":
    unittest.main()
