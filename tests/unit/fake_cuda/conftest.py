import tests.unit.kernels.interpreter  # noqa: F401  # the kernels are imported once for all tests
