"""Processes, sockets, brokers, clocks and metrics around `streams`."""
