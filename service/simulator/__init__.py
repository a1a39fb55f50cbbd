"""Simulated exchanges on loopback that speak the venues own protocols."""
