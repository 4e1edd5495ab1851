"""The authors' own code as an arm: fetched at its pin, verified, and run unmodified through listed shims.

Nothing of it stands in this repository (it is CC BY-NC 4.0). The stages answer to the same command line as reimpl's, read
the same inputs and write the same files.
"""
