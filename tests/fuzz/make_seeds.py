#!/usr/bin/env python3
"""Writes a first corpus for every fuzzer: tests/fuzz/make_seeds.py FOLDER. Each input is small and right,
so that the fuzzers begin behind the first checks."""
import gzip
import json
import pathlib
import struct
import sys
import zipfile
import zlib


def node(name, op, inputs, **attributes):
    return {"name": name, "op": op, "inputs": inputs, **attributes}


GRAPH = {
    "nodes": [
        node("input", "input", [], channels=1),
        node("conv", "conv2d", [0], filters=2, window=3, stride=1, pad=1, bias=True),
        node("bn", "batch_norm", [1], relu=True, eps=1e-5),
        node("gather", "channel_gather", [2], source=[1, -1], stride=1),
        node("sum", "add", [2, 3]),
        node("both", "concat", [4, 0]),
        node("max", "max_pool", [5], window=2, stride=2, pad=0),
        node("pool", "global_avg_pool", [6]),
        node("linear", "linear", [7], outputs=2, bias=True),
    ],
    "blocks": [{"name": "block", "stage": 0, "input": 2, "output": 4, "skippable": True}],
}
SHAPES = {"conv.weight": [2, 1, 3, 3], "conv.bias": [2], "bn.weight": [2], "bn.bias": [2],
          "bn.running_mean": [2], "bn.running_var": [2], "linear.weight": [2, 3], "linear.bias": [2]}
INFO = {"arch": "toy", "side": 8, "data_side": 8, "mean": [0.5], "std": [0.5],
        "class_names": ["a", "b"], "original_channels": {"conv": [0, 1]}, "provenance": [{"step": "x"}]}


def safetensors(shapes, metadata, dtype="F32", width=4):
    header, offset = {"__metadata__": metadata}, 0
    for name, shape in shapes.items():
        size = width
        for extent in shape:
            size *= extent
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(offset)


def idx(count, side, dimensions):
    extents = [count, side, side][:dimensions]
    size = count * (side * side if dimensions == 3 else 1)
    return (struct.pack(">I", 0x800 + dimensions) + b"".join(struct.pack(">I", e) for e in extents)
            + bytes(i % 2 for i in range(size)))


def png(width, height):
    def chunk(kind, data):
        return (struct.pack(">I", len(data)) + kind + data
                + struct.pack(">I", zlib.crc32(kind + data)))
    rows = b"".join(b"\0" + bytes(3 * width) for _ in range(height))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
            + chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0")
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def jpeg():
    """One grey block of 8 x 8 pixels, the smallest file with a picture in it."""
    def segment(marker, data):
        return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data
    table = bytes([1] + 15 * [0] + [0])  # one code of one bit, for 0
    return (b"\xff\xd8" + segment(0xDB, bytes([0] + 64 * [1]))
            + segment(0xC0, struct.pack(">BHHB", 8, 8, 8, 1) + bytes([1, 0x11, 0]))
            + segment(0xC4, b"\x00" + table) + segment(0xC4, b"\x10" + table)
            + segment(0xDA, bytes([1, 1, 0, 0, 63, 0])) + b"\x3f" + b"\xff\xd9")


def onnx():
    """A residual block, pooling and a linear layer, in the fields of onnx.proto."""
    def number(value):
        data = b""
        while value >= 128:
            data, value = data + bytes([value & 127 | 128]), value >> 7
        return data + bytes([value])

    def field(key, data):
        if isinstance(data, int):
            return number(key << 3) + number(data)
        data = data.encode() if isinstance(data, str) else data
        return number(key << 3 | 2) + number(len(data)) + data

    def value(name, *extents):
        shape = b"".join(field(1, field(1, e)) for e in extents)
        return field(1, name) + field(2, field(1, field(1, 1) + field(2, shape)))

    def attribute(name, data):
        if isinstance(data, int):
            return field(1, name) + field(3, data) + field(20, 2)
        return field(1, name) + b"".join(field(8, i) for i in data) + field(20, 7)

    def op(kind, inputs, output, **attributes):
        return (b"".join(field(1, i) for i in inputs) + field(2, output) + field(4, kind)
                + b"".join(field(5, attribute(*item)) for item in attributes.items()))

    def tensor(name, *extents):
        size = 4
        for extent in extents:
            size *= extent
        return b"".join(field(1, e) for e in extents) + field(2, 1) + field(8, name) + field(9, bytes(size))

    def conv(name, inputs, output, window):
        return op("Conv", [*inputs, name], output, kernel_shape=[window, window], strides=[1, 1],
                  pads=4 * [window // 2], dilations=[1, 1], group=1)
    batch_norm = ["scale", "shift", "mean", "var"]
    nodes = [conv("first", ["x"], "a", 3), op("BatchNormalization", ["a", *batch_norm], "b"),
             op("Relu", ["b"], "c"), conv("second", ["c"], "d", 1), op("Add", ["c", "d"], "e"),
             op("Relu", ["e"], "f"),
             op("MaxPool", ["f"], "g", kernel_shape=[2, 2], strides=[2, 2]),
             op("Concat", ["g", "g"], "h", axis=1), op("GlobalAveragePool", ["h"], "p"),
             op("Flatten", ["p"], "q", axis=1), op("Gemm", ["q", "w", "bias"], "y", transB=1)]
    graph = (b"".join(field(1, n) for n in nodes) + field(2, "toy")
             + field(5, tensor("first", 2, 1, 3, 3)) + field(5, tensor("second", 2, 2, 1, 1))
             + b"".join(field(5, tensor(name, 2)) for name in [*batch_norm, "bias"])
             + field(5, tensor("w", 2, 4)) + field(11, value("x", 1, 1, 8, 8))
             + field(12, value("y", 1, 2)))
    return (field(1, 8) + field(7, graph) + field(8, field(2, 17))
            + field(14, field(1, "key") + field(2, "value")))


def journal_files():
    """An old journal, which holds its steps, and a journal, its steps' files and their results."""
    steps = {"plan": {"target": 0.5, "importance": [0.1], "latency": None},
             "finetune": {"healing": [], "curve": [{"epoch": 1, "loss": 1.5, "top1": 10.0, "lr": 0.1,
                                                    "held_out": None, "rollbacks": 0}]}}
    sums = {name: format(zlib.crc32((name + "\n" + json.dumps(
        record, separators=(",", ":"), sort_keys=True)).encode()), "08x")
        for name, record in steps.items()}
    settings = {"settings": {"side": 8}}
    files = [{**settings, "steps": steps, "crc32": sums}, settings,
             *({"step": name, "result": record, "crc32": sums[name]}
               for name, record in steps.items()), *steps.values()]
    return [json.dumps(file).encode() for file in files]


def pytorch():
    """Files of PyTorch itself, and their pickles."""
    files = sorted((pathlib.Path(__file__).parent.parent / "fixtures/pytorch").glob("*.pth"))
    found = [file.read_bytes() for file in files]
    for file in filter(zipfile.is_zipfile, files):
        with zipfile.ZipFile(file) as archive:
            found += [archive.read(name) for name in archive.namelist() if name.endswith("data.pkl")]
    return found


def split(first, second):
    return struct.pack("<H", len(first)) + first + second


def main():
    folder = pathlib.Path(sys.argv[1])
    model = safetensors(SHAPES, {"trifold.graph": json.dumps(GRAPH), "trifold.model": json.dumps(INFO)})
    images, labels = idx(3, 4, 3), idx(3, 4, 1)
    position = {"epoch": 1, "batch": 1, "images": 2, "correct": 1, "loss_sum": 1.5,
                "rate_halvings": 1, "note": "{}"}
    seeds = {
        "safetensors": [model, safetensors({"a": [2], "b": []}, {"k": "v"}, "F16", 2),
                        safetensors({"a": [3]}, {}, "I64", 8)],
        "graph": [json.dumps(GRAPH).encode()],
        "model": [model, safetensors(SHAPES, {"arch": "resnet8", "mean": "0.5", "std": "0.5",
                                              "input": "1x8x8"})],
        "checkpoint": [b"\n" + json.dumps(position).encode(), b'{"epochs": 3, "batch": 2}\n'],
        "journal": [*journal_files(), b'[{"stage": "plan", "seconds": 1.5}]'],
        "log": [b'{"epoch": 1, "seconds": 2}\n{"epoch": 5}\n{"ep'],
        "toml": [b'arch = "resnet20"\nbatch = 128  # images\nlr = 0.1\nout = \'runs/"x"\'\n',
                 b'batch = [[1, 2], {a.b = """x\n"""}]\n[a.b]\n[[c]]\n'],
        "idx": [split(images, labels), split(gzip.compress(images, mtime=0), labels)],
        "cifar": [bytes([1]) + bytes(3072), bytes([1, 2]) + bytes(3072),
                  "".join(f"{c}\n" for c in "abcdefghij").encode()],
        "image": [png(3, 2), jpeg()],
        "onnx": [onnx()],
        "pytorch": pytorch(),
    }
    for target, inputs in seeds.items():
        (folder / target).mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(inputs):
            (folder / target / f"seed-{number}").write_bytes(data)


if __name__ == "__main__":
    main()
