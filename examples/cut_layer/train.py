"""Cuts and the classifier behind them, trained with one loss: `python train.py [--steps 150] [--seed 1]`.

An analysis often cuts first and classifies what is left. Tuned one after the other, the cuts don't know what the
network will do with the events, nor the network which events it will see. Here four cuts and a small network are one
differentiable chain, trained on the Asimov significance of what passes both, with 10 % uncertainty of the background.
The cuts are on the four kinds of observables of arXiv:2503.22498, the network sees two more that are correlated.
"""

from __future__ import annotations

import argparse

import torch

from cutflow_cli import Cut, CutLayer, Region
from cutflow_cli.layers import asimov, half_widths, soft_counts

FEATURES = ("left", "right", "middle", "edge", "sum", "difference")
SIGNAL, BACKGROUND, SYSTEMATIC = 3e3, 3e6, 0.1  # expected events, relative uncertainty


def make_events(events: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Draw as many events of either class, with the weights that make them the expected ones."""
    random = torch.Generator().manual_seed(seed)

    def normal(mean: torch.Tensor | float) -> torch.Tensor:
        return mean + 2 * torch.randn(2 * events, generator=random)

    label = torch.arange(2 * events) % 2
    side = 1 - 2.0 * label
    peaks = 5 - 10.0 * torch.randint(0, 2, (2 * events,), generator=random)
    both, nothing = normal(0.0), torch.zeros(())
    x = torch.stack(
        [
            normal(2 * side), normal(-2 * side),
            normal(torch.where(label == 1, nothing, peaks)), normal(torch.where(label == 1, peaks, nothing)),
            both + 0.5 * side, both - 0.5 * side + 0.75 * normal(0.0),
        ],
        dim=1,
    )  # fmt: skip
    weight = torch.where(label == 1, SIGNAL / events, BACKGROUND / events).double()
    return x, label, weight


def significance(mask: torch.Tensor, weight: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """Asimov's Z of what a mask keeps; σ_B is the statistics of the simulation and the systematic uncertainty."""
    counts = soft_counts(mask, weight, label)
    return asimov(counts.S, counts.B, torch.sqrt(counts.B_variance + (SYSTEMATIC * counts.B) ** 2))


def main() -> None:
    """Train, and compare on events that nothing was chosen on."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--events", type=int, default=10_000, help="of either class to train on")
    options.add_argument("--steps", type=int, default=150)
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    torch.manual_seed(chosen.seed)
    torch.set_num_threads(1)  # the tensors are small
    x, label, weight = make_events(chosen.events, chosen.seed)
    start = [
        Cut("left", Region.BELOW, None, 0.0), Cut("right", Region.ABOVE, 0.0),
        Cut("middle", Region.INSIDE, -3.0, 3.0), Cut("edge", Region.OUTSIDE, -3.0, 3.0),
    ]  # fmt: skip
    widths = half_widths({name: x[:, k].numpy() for k, name in enumerate(FEATURES)})
    cuts = CutLayer(start, FEATURES, widths)
    network = torch.nn.Sequential(torch.nn.Linear(2, 16), torch.nn.ReLU(), torch.nn.Linear(16, 1), torch.nn.Flatten(0))
    optimiser = torch.optim.Adam([*cuts.parameters(), *network.parameters()], lr=0.02)

    fresh = make_events(100_000, chosen.seed + 1)
    cuts.eval()
    with torch.no_grad():
        before = significance(cuts(fresh[0]), fresh[2], fresh[1]).item()
    print(f"the cuts to begin with: Z = {before:.2f}")

    cuts.train()
    for step in range(chosen.steps):
        cuts.anneal(step / chosen.steps, first=2.0, last=10.0)
        kept = cuts(x) * torch.sigmoid(cuts.steepness * network(x[:, 4:] / 3))  # a cut on its score, as steep
        loss = -torch.log(significance(kept, weight, label))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    cuts.eval()  # hard from here on
    with torch.no_grad():
        alone = significance(cuts(fresh[0]), fresh[2], fresh[1]).item()
        passes = cuts(fresh[0]) * (network(fresh[0][:, 4:] / 3) > 0)
        together = significance(passes, fresh[2], fresh[1]).item()
    print(f"the trained cuts alone: Z = {alone:.2f}")
    print(f"with the network behind them: Z = {together:.2f}")
    for step in cuts.to_flow(dict.fromkeys(FEATURES, "float32")).steps:
        print(f"  {step.cut}")


if __name__ == "__main__":
    main()
