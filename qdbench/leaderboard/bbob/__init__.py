"""Boards of BBOB: precision within a fixed budget beside the Gaussian GA's, and runtimes to targets as in COCO."""
