"""What made the data that comes with qdbench."""
