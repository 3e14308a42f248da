"""The networks of bench_train as PyTorch modules."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests/fixtures"))
import networks  # noqa: E402


def make_network(name, classes):
    if name == "densenet40":
        return networks.DenseNet(12, 12, 24, False, 1.0, classes)
    if name == "mobilenetv2":
        return networks.MobileNetV2(classes)
    large = {"resnet50": "resnet50", "resnext50-32x4d": "resnext50_32x4d",
             "efficientnet-b0": "efficientnet_b0"}
    if name in large:
        import torchvision
        return getattr(torchvision.models, large[name])(num_classes=classes)
    depth = int(name.removeprefix("resnet"))
    return networks.ResNet((depth - 2) // 6, classes)
