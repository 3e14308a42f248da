"""Trains a CIFAR ResNet in PyTorch as `train` does, to compare what both reach.

The same images held out in number (5,000 drawn by the seed), crops of black padding and flips, batch
norm, He's initialisation over a filter's outputs, SGD with Nesterov's momentum and a cosine of the
learning rate that falls step by step. Appends a line of JSON to OUT/metrics.jsonl an epoch, and goes on
from OUT/checkpoint.pt where there is one.
"""
import argparse
import json
import math
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests/fixtures"))
import networks  # noqa: E402

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--data", type=Path, required=True, help="folder of CIFAR-10's binary files")
parser.add_argument("--out", type=Path, required=True)
parser.add_argument("--network", default="resnet20")
parser.add_argument("--epochs", type=int, default=24)
parser.add_argument("--batch", type=int, default=128)
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--weight-decay", type=float, default=1e-4)
parser.add_argument("--decay", choices=["weights", "all"], default="weights",
                    help="weights: of convolutions and linear layers, not of batch norms and biases")
parser.add_argument("--held-out", type=int, default=5000)
parser.add_argument("--seed", type=int, default=0)
o = parser.parse_args()


def read(files):
    records = np.concatenate([np.fromfile(o.data / f, np.uint8).reshape(-1, 3073) for f in files])
    return (torch.from_numpy(records[:, 1:].reshape(-1, 3, 32, 32).copy()),
            torch.from_numpy(records[:, 0].astype(np.int64)))


train_x, train_y = read([f"data_batch_{i}.bin" for i in range(1, 6)])
test_x, test_y = read(["test_batch.bin"])
order = np.random.default_rng(o.seed).permutation(len(train_x))
kept = np.sort(order[o.held_out:])
train_x, train_y = train_x[kept], train_y[kept]
pixels = train_x.double() / 255
mean = pixels.mean(dim=(0, 2, 3)).float().view(1, 3, 1, 1)
deviation = pixels.std(dim=(0, 2, 3)).float().view(1, 3, 1, 1)
del pixels


def normalised(x):
    return ((x.float() / 255 - mean) / deviation).to(memory_format=torch.channels_last)


def augmented(x, generator):
    n = len(x)
    padded = F.pad(x, (4, 4, 4, 4))
    down, right, mirrored = (torch.randint(0, high, (n,), generator=generator) for high in (9, 9, 2))
    rows = down.view(n, 1, 1, 1) + torch.arange(32).view(1, 1, 32, 1)
    columns = torch.arange(32).view(1, 1, 1, 32).expand(n, 1, 1, 32)
    columns = torch.where(mirrored.view(n, 1, 1, 1) == 1, 31 - columns, columns)
    columns = columns + right.view(n, 1, 1, 1)
    image, channel = torch.arange(n).view(n, 1, 1, 1), torch.arange(3).view(1, 3, 1, 1)
    return padded[image, channel, rows, columns]


torch.manual_seed(o.seed)
torch.set_flush_denormal(True)
network = networks.ResNet((int(o.network.removeprefix("resnet")) - 2) // 6)
for module in network.modules():
    if isinstance(module, torch.nn.Conv2d):
        torch.nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
network = network.to(memory_format=torch.channels_last)
decayed = [p for p in network.parameters() if p.dim() > 1 or o.decay == "all"]
others = [p for p in network.parameters() if p.dim() == 1 and o.decay != "all"]
optimiser = torch.optim.SGD([{"params": decayed, "weight_decay": o.weight_decay},
                             {"params": others, "weight_decay": 0.0}],
                            lr=o.lr, momentum=0.9, nesterov=True, foreach=True)

o.out.mkdir(parents=True, exist_ok=True)
checkpoint = o.out / "checkpoint.pt"
first = 0
if checkpoint.exists():
    state = torch.load(checkpoint)
    network.load_state_dict(state["network"])
    optimiser.load_state_dict(state["optimiser"])
    first = state["epoch"]

steps = len(train_x) // o.batch
for epoch in range(first, o.epochs):
    start = time.perf_counter()
    generator = torch.Generator().manual_seed(1_000_003 * o.seed + epoch)
    order = torch.randperm(len(train_x), generator=generator)
    network.train()
    loss_sum, correct = 0.0, 0
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = o.lr * 0.5 * (1 + math.cos(math.pi * (epoch + step / steps) / o.epochs))
        batch = order[step * o.batch:(step + 1) * o.batch]
        labels = train_y[batch]
        logits = network(normalised(augmented(train_x[batch], generator)))
        loss = F.cross_entropy(logits, labels)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        loss_sum += loss.item() * len(batch)
        correct += (logits.argmax(1) == labels).sum().item()
    network.eval()
    with torch.inference_mode():
        right = sum((network(normalised(x)).argmax(1) == y).sum().item()
                    for x, y in zip(test_x.split(250), test_y.split(250)))
    row = {"epoch": epoch + 1, "train_loss": loss_sum / (steps * o.batch),
           "train_top1": 100 * correct / (steps * o.batch), "test_top1": 100 * right / len(test_x),
           "seconds": time.perf_counter() - start}
    with open(o.out / "metrics.jsonl", "a") as log:
        log.write(json.dumps(row) + "\n")
    temporary = checkpoint.with_suffix(".tmp")
    torch.save({"network": network.state_dict(), "optimiser": optimiser.state_dict(),
                "epoch": epoch + 1}, temporary)
    temporary.rename(checkpoint)
    print(json.dumps(row), flush=True)
