"""Readers of checkpoints that users have: NVIDIA's pickles, PyTorch's files, OpenAI's and Hugging Face's CLIP.

Nothing in a file is ever run: pickles are read by an interpreter that knows a closed list of names, each of which only
keeps what it is given (:mod:`qdbench.tasks.lsi.checkpoints.unpickling`).
"""
