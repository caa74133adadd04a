"""Plain NumPy versions of what the package computes, written from the papers' formulas to be read, not to be fast."""
