"""Parts of the GPU benchmark: what each measures of a device beside the CPU."""
