"""Fast exact kernels on numpy, each tested against the library whose result it equals."""
