#!/usr/bin/env python3
"""Makes the shape files of this folder (conv2d_small.txt is written by hand).

  bench/shapes/make_shapes.py                    writes the files of the known networks
  inspect MODEL --json | bench/shapes/make_shapes.py --model - [--batch 1 128]
                                                 prints the distinct convolutions of a model

A line is "n h w c k r s stride pad": batch, height, width and channels of the input, filters, window,
stride and padding.
"""
import argparse
import json
import pathlib
import sys

HEADER = "# n h w c k r s stride pad: "
BATCHES = [1, 32, 128]


def conv(side, c, k, window, stride=1):
    """An image's convolution as networks have them: h w c k r s stride pad."""
    return (side, side, c, k, window, window, stride, window // 2)


def cifar_resnet(side=32, shortcuts=True):
    """Every ResNet of 6n + 2 layers for small images has these, however many blocks a stage. The 1 x 1
    convolutions are the shortcuts of option B."""
    layers = [conv(side, 3, 16, 3), conv(side, 16, 16, 3)]
    for c in (16, 32):
        layers.append(conv(side, c, 2 * c, 3, stride=2))
        if shortcuts:
            layers.append(conv(side, c, 2 * c, 1, stride=2))
        side = (side + 1) // 2
        layers.append(conv(side, 2 * c, 2 * c, 3))
    return layers


def densenet40(side=32, growth=12, layers_per_stage=12, stem=24):
    """The first, the middle and the last layer of each stage, and the transitions."""
    channels = stem
    layers = [conv(side, 3, channels, 3)]
    for stage in range(3):
        for i in (0, layers_per_stage // 2, layers_per_stage - 1):
            layers.append(conv(side, channels + i * growth, growth, 3))
        channels += layers_per_stage * growth
        if stage < 2:
            layers.append(conv(side, channels, channels, 1))
            side //= 2
    return layers


def resnet50(side=224):
    layers = [conv(side, 3, 64, 7, stride=2)]
    side //= 4  # the stem's stride and its pool
    channels = 64
    for stage, blocks in enumerate((3, 4, 6, 3)):
        width = 64 << stage
        for block in range(blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            layers += [conv(side, channels, width, 1), conv(side, width, width, 3, stride)]
            if block == 0:
                layers.append(conv(side, channels, 4 * width, 1, stride))
            side //= stride
            layers.append(conv(side, width, 4 * width, 1))
            channels = 4 * width
    return layers


def mobilenetv2(side=32):
    """Its dense convolutions, in the form for small images."""
    layers, channels = [conv(side, 3, 32, 3)], 32
    for expansion, width, blocks, stride in ((1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2),
                                             (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)):
        for block in range(blocks):
            if expansion > 1:
                layers.append(conv(side, channels, expansion * channels, 1))
            side //= stride if block == 0 else 1
            layers.append(conv(side, expansion * channels, width, 1))
            channels = width
    return layers + [conv(side, channels, 1280, 1)]


def pruned():
    return [conv(side, width, width, 3)
            for width in (5, 11, 13, 16, 23, 45, 48) for side in (32, 24, 16)]


def narrow():
    return [conv(32, *channels, 3) for few in (3, 4, 5, 6, 7, 8)
            for channels in ((few, few), (few, 16), (16, few))]


def of_model(description):
    """The convolutions in the layer table of `inspect --json`."""
    outputs = {layer["name"]: layer["output"] for layer in description["layers"]}
    for layer in description["layers"]:
        if layer["op"] == "conv2d":
            h, w, c = outputs[layer["inputs"][0]]
            window = layer["window"]
            yield (h, w, c, layer["output"][2], window, window, layer["stride"], layer["pad"])


def table(title, layers, batches):
    lines = [HEADER + title]
    for n in batches:
        lines += [f"{n} {' '.join(map(str, layer))}" for layer in dict.fromkeys(layers)]
    return "\n".join(lines) + "\n"


def write_all(folder):
    resolutions = [layer for side in (16, 20, 24, 28) for layer in cifar_resnet(side, shortcuts=False)]
    for name, text in {
        "resnet20": table("ResNet-20, -56 and all others of 6n + 2 layers, 32 x 32 pixels",
                          cifar_resnet(), BATCHES),
        "resolutions": table("the same networks on 16 to 28 pixels", resolutions, [128]),
        "densenet40": table("DenseNet-40 of growth 12, 32 x 32 pixels: of each stage only the first, the "
                            "middle and the last layer", densenet40(), BATCHES),
        "resnet50": table("ResNet-50, 224 x 224 pixels", resnet50(), [1, 16]),
        "mobilenetv2": table("MobileNetV2, 32 x 32 pixels: what is not depthwise", mobilenetv2(), [1, 8, 128]),
        "pruned": table("pruned widths on 16 to 32 pixels, with 16 and 48 to compare", pruned(), BATCHES),
        "narrow": table("3 to 8 channels on either side, where the algorithms' order changes",
                        narrow(), [1, 128]),
    }.items():
        (folder / f"conv2d_{name}.txt").write_text(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", metavar="FILE", type=argparse.FileType(), help="what inspect --json printed; -: stdin")
    parser.add_argument("--batch", metavar="N", type=int, nargs="+", default=BATCHES, help="batch sizes, with --model")
    options = parser.parse_args()
    if options.model is None:
        write_all(pathlib.Path(__file__).parent)
        return
    description = json.load(options.model)
    title = f"{description['arch']}, {description['side']} x {description['side']} pixels"
    sys.stdout.write(table(title, of_model(description), options.batch))


if __name__ == "__main__":
    main()
