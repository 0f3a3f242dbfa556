"""Measurements that the README's claims rest on: one module per figure, each with measure() -> Figure.

No test asserts them: machines differ. `bench/run` runs all of them.
"""
