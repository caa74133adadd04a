"""An optimizer and a task that plug into qdbench."""
