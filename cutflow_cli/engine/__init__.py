"""How tensors are trained: device, kernels, loop, replicas, checkpoints. Knows no physics."""
