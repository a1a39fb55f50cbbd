"""Meaning and mathematics: rows, instruments, indicators, machines. No clock, socket or environment."""
