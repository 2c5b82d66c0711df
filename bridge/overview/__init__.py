"""What the status page shows, computed from values: no I/O, no clock. Times are arguments."""
