"""What turns readings into states: one machine a file, and how any of them moves."""
