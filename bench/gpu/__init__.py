"""GPU benchmark: a CUDA device against the CPU in results, speed, training, quality and transfers, in one call."""
