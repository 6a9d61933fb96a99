"""The same model in plain PyTorch, eager: answers `steps N` and `product SIZE REPEATS` on stdin, one JSON line each.

Arguments: JSON of a size, threads. RMSNorm, rotary positions, fused causal attention, gated feed-forward, one table
for input and output, AdamW on all matrices with decay 0.1, gradient norm clipped at 1.
"""

import json
import os
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

EPSILON, BASE, SD = 1e-5, 10_000.0, 0.02


class Block(nn.Module):
    """Attention and feed-forward, each after a norm."""

    def __init__(self, width, ffn, heads, head_width):
        super().__init__()
        self.heads, self.head_width = heads, head_width
        inner = heads * head_width
        self.attention_norm = nn.RMSNorm(width, eps=EPSILON)
        self.ffn_norm = nn.RMSNorm(width, eps=EPSILON)
        self.query, self.key, self.value = (nn.Linear(width, inner, bias=False) for _ in range(3))
        self.output = nn.Linear(inner, width, bias=False)
        self.gate, self.up = (nn.Linear(width, ffn, bias=False) for _ in range(2))
        self.down = nn.Linear(ffn, width, bias=False)

    def forward(self, x, cos, sin):
        """(B, T, d) to (B, T, d)."""
        batch, length, _ = x.shape

        def heads(layer):
            return layer(normed).view(batch, length, self.heads, self.head_width).transpose(1, 2)

        normed = self.attention_norm(x)
        query, key, value = heads(self.query), heads(self.key), heads(self.value)
        mixed = F.scaled_dot_product_attention(
            rotate(query, cos, sin), rotate(key, cos, sin), value, is_causal=True
        )
        x = x + self.output(mixed.transpose(1, 2).reshape(batch, length, -1))
        normed = self.ffn_norm(x)
        return x + self.down(F.silu(self.gate(normed)) * self.up(normed))


def rotate(x, cos, sin):
    """Rotate the halves of each head."""
    first, second = x.chunk(2, -1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1)


class Model(nn.Module):
    """Token ids to logits."""

    def __init__(self, layers, width, ffn, heads, head_width, vocabulary, sequence):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.blocks = nn.ModuleList(Block(width, ffn, heads, head_width) for _ in range(layers))
        self.norm = nn.RMSNorm(width, eps=EPSILON)
        for weight in self.parameters():
            if weight.dim() > 1:
                nn.init.normal_(weight, std=SD)
        rates = BASE ** (-torch.arange(0, head_width, 2) / head_width)
        angles = torch.arange(sequence)[:, None] * rates
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin())

    def forward(self, tokens):
        """(B, T) to (B, T, V)."""
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x, self.cos, self.sin)
        return F.linear(self.norm(x), self.embedding.weight)


class Stepper:
    """A model with its optimiser and a fixed batch."""

    def __init__(self, batch, sequence, **shape):
        torch.manual_seed(0)
        self.model = Model(sequence=sequence, **shape)
        matrices = [weight for weight in self.model.parameters() if weight.dim() > 1]
        gains = [weight for weight in self.model.parameters() if weight.dim() == 1]
        groups = [{"params": matrices, "weight_decay": 0.1}, {"params": gains, "weight_decay": 0.0}]
        self.optimiser = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.95))
        self.tokens = torch.randint(0, shape["vocabulary"], (batch, sequence))
        self.targets = torch.roll(self.tokens, -1, 1)

    def run(self, steps):
        """Seconds of some updates, and the last loss."""
        began = time.perf_counter()
        for _ in range(steps):
            logits = self.model(self.tokens)
            loss = F.cross_entropy(logits.view(-1, logits.shape[-1]), self.targets.view(-1))
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimiser.step()
        last = loss.item()
        return time.perf_counter() - began, last


def product_flops(size, repeats):
    """FLOP/s of the product of two square matrices."""
    matrix = torch.randn(size, size)
    torch.mm(matrix, matrix)
    began = time.perf_counter()
    for _ in range(repeats):
        torch.mm(matrix, matrix)
    return repeats * 2.0 * size**3 / (time.perf_counter() - began)


def main():
    """Bind to some CPUs, build the model, answer."""
    size, threads = json.loads(sys.argv[1]), int(sys.argv[2])
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    torch.set_num_threads(threads)
    stepper = Stepper(**size)
    print(json.dumps({"ready": True, "version": torch.__version__.split("+")[0]}), flush=True)
    for line in sys.stdin:
        name, *numbers = line.split()
        cpu = time.process_time()
        if name == "product":
            found = {"flops_per_s": product_flops(*map(int, numbers))}
        else:
            seconds, loss = stepper.run(int(numbers[0]))
            found = {"seconds": seconds, "loss": loss}
        print(json.dumps({**found, "cpu_s": time.process_time() - cpu}), flush=True)


if __name__ == "__main__":
    main()
