"""``python -m qdbench`` is the command ``qdbench``."""

from qdbench.cli import main

main()
