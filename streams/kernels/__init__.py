"""Numerical primitives, each with its slow twin in tests/reference."""
