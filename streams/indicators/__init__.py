"""One market quantity a file: definition, units, state, kernels, reference."""
