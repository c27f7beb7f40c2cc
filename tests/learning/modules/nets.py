"""Small networks of an installed package, as far as plans are concerned."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from confide.learning.modules import model_factory


class Mlp(nn.Module):
    """One hidden layer; of a given type, with dropout and BatchNorm where asked for."""

    def __init__(self, hidden=6, classes=3, dropout=0.0, norm=False, dtype="float32"):
        super().__init__()
        kind = getattr(torch, dtype)
        self.body = nn.Linear(4, hidden, dtype=kind)
        self.norm = nn.BatchNorm1d(hidden, dtype=kind) if norm else nn.Identity()
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, classes, dtype=kind)

    def forward(self, x):
        return self.head(self.drop(torch.relu(self.norm(self.body(x)))))


class LoraLinear(nn.Module):
    """W x + B A x with W as it is (Hu et al. 2022)."""

    def __init__(self, inputs, outputs, rank):
        super().__init__()
        self.base = nn.Linear(inputs, outputs)
        self.lora_a = nn.Parameter(torch.randn(rank, inputs) / rank)
        self.lora_b = nn.Parameter(torch.zeros(outputs, rank))

    def forward(self, x):
        return self.base(x) + x @ self.lora_a.T @ self.lora_b.T


class Unused(nn.Module):
    """A parameter that the loss does not depend on."""

    def __init__(self):
        super().__init__()
        self.used, self.unused = nn.Linear(4, 3), nn.Linear(4, 3)

    def forward(self, x):
        return self.used(x)


class OtherDice(nn.Module):
    """Draws from numpy, which no seed of torch reaches."""

    def __init__(self):
        super().__init__()
        self.layer, self.dice = nn.Linear(4, 3), np.random.default_rng(0)

    def forward(self, x):
        return self.layer(x) * float(self.dice.random())


class Convolution(nn.Module):
    """Images in, classes out."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(1, 2, 3), nn.Linear(2 * 6 * 6, 3)

    def forward(self, x):
        return self.head(torch.relu(self.conv(x[:, None])).flatten(1))


class Letters(nn.Module):
    """Whole numbers in, a distribution of the next one at each place out."""

    def __init__(self, letters=5):
        super().__init__()
        self.embed, self.head = nn.Embedding(letters, 4), nn.Linear(4, letters)

    def forward(self, text):
        return self.head(self.embed(text))


@dataclass
class Output:
    loss: torch.Tensor
    logits: torch.Tensor


class OwnLoss(nn.Module):
    """Called by name and returns its loss, as the modules of Hugging Face do."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, features, labels):
        logits = self.layer(features)
        return Output(nn.functional.cross_entropy(logits, labels), logits)


@model_factory
def marked(hidden):
    return Mlp(hidden=hidden)


def unmarked():
    raise AssertionError("a plan called it")


def party(rows, seed=0):
    """Rows of one party: four features, three classes."""
    rng = np.random.default_rng([seed, rows])
    x = rng.normal(size=(rows, 4)).astype(np.float32)
    return {"x": x, "y": (x @ np.arange(12).reshape(4, 3) % 7).argmax(axis=1)}
