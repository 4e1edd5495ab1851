"""Studies: what is claimed, which arms test it, and the summary of what came out."""
