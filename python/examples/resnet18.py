#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ResNet-18 (He et al., 2015) for 32x32 images: a 3x3 stem and no first pooling, as is usual for CIFAR-10.

Trains on images made here, in which each class is one direction of stripes:
    python resnet18.py [--steps 30] [--batch 32]
"""
import argparse
import time

import numpy as np

import tinyfin as fin
from tinyfin import nn, optim
from tinyfin.nn import functional as F


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with batch normalization, and a residual that is projected where the shape changes."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet18(nn.Module):
    """Logits [N, classes] of images [N, 3, H, W]; `widths` are the channels of the four stages."""

    def __init__(self, classes=10, widths=(64, 128, 256, 512)):
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.stages = nn.Sequential()
        inputs = widths[0]
        for i, outputs in enumerate(widths):
            self.stages.append(nn.Sequential(BasicBlock(inputs, outputs, 1 if i == 0 else 2), BasicBlock(outputs, outputs, 1)))
            inputs = outputs
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x):
        x = self.stages(F.relu(self.bn1(self.conv1(x))))
        return self.fc(x.mean((2, 3)))


def training_step(model, optimizer):
    @fin.jit
    def step(images, labels):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        return loss
    return step


def striped_images(generator, count, size=32):
    """(images float32 [N, 3, size, size], labels int64): stripes at one of ten angles, with noise."""
    labels = generator.integers(0, 10, count)
    angle = (labels * np.pi / 10)[:, None, None]
    y, x = np.mgrid[0:size, 0:size]
    stripes = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 0.8 + generator.uniform(0, 6, (count, 1, 1)))
    images = stripes[:, None] + 0.3 * generator.standard_normal((count, 3, size, size))
    return images.astype("float32"), labels


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--batch", type=int, default=32)
    options = parser.parse_args()
    fin.manual_seed(0)
    model = ResNet18()
    step = training_step(model, optim.SGD(model.parameters(), lr=0.02, momentum=0.9, weight_decay=5e-4))
    generator = np.random.default_rng(0)
    for i in range(options.steps):
        images, labels = map(fin.from_numpy, striped_images(generator, options.batch))
        begin = time.perf_counter()
        loss = step(images, labels).item()
        print(f"step {i:4}  loss {loss:.4f}  {options.batch / (time.perf_counter() - begin):8.0f} images/s", flush=True)


if __name__ == "__main__":
    main()
