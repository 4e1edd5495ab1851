"""SCAN, written anew: a file per stage, in the paper's words."""
