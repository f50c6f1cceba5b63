"""The two implementations of LCF's loss and gradient, called alike."""

from __future__ import annotations

import numpy as np

from cutflow_cli.models.lcf import kernel
from cutflow_cli.models.lcf.constants import logit


def torch_loss(data, params, rule, *, weight=None, unmasked=None, threshold=0.5, minimum=0.05, dtype=None):
    """Loss of one batch by the torch path, as a scalar tensor that remembers its parameters; double unless told."""
    import torch  # slow to import, and not needed by who calls the kernel alone

    from cutflow_cli.models.lcf.torch_path import batch_loss

    dtype = dtype or torch.float64
    params = torch.as_tensor(params, dtype=dtype)[None] if not isinstance(params, torch.Tensor) else params
    weight = data.weight if weight is None else weight
    unmasked = np.zeros(data.u.shape[1], dtype=bool) if unmasked is None else unmasked
    return batch_loss(
        params,
        torch.as_tensor(data.u, dtype=dtype)[None],
        torch.as_tensor(data.sign, dtype=dtype)[None],
        torch.as_tensor(np.asarray(weight), dtype=dtype)[None],
        torch.as_tensor(data.standard_centre, dtype=dtype),
        torch.as_tensor(data.limits, dtype=dtype),
        torch.as_tensor(unmasked)[None],
        rule,
        logit(threshold),
        minimum,
    )[0]


def torch_gradient(data, params, rule, **options):
    """Gradient of that loss by autograd, shape (features, 5)."""
    import torch

    tensor = torch.as_tensor(params, dtype=torch.float64)[None].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(torch_loss(data, tensor, rule, **options), tensor)
    return gradient[0].numpy()


def fused_step(data, params, rule, *, weight=None, unmasked=None, threshold=0.5, minimum=0.05, rate=0.0, batch=None):
    """Run the compiled kernel over the events once, in their order.

    Returns:
        Loss, gradient (read off Adam's first moment; of the only batch, if there is one), and parameters after it.
    """
    params = np.array(params, dtype=np.float64)
    first, second = np.zeros_like(params), np.zeros_like(params)
    loss = kernel.train_epoch(
        kernel.packed(data.u, data.sign),
        (data.weight if weight is None else np.asarray(weight)).astype(np.float32),
        np.arange(len(data.u), dtype=np.int32),
        batch or len(data.u),
        params,
        first,
        second,
        0,
        data.standard_centre,
        data.limits,
        np.zeros(data.u.shape[1], dtype=bool) if unmasked is None else unmasked,
        rule,
        logit(threshold),
        minimum,
        rate,
    )
    return loss, first / 0.1, params
