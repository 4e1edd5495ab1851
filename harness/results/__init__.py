"""What came out: summed up, kept, and verified."""
