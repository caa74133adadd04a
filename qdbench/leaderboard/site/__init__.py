"""The pages: one self-contained HTML file a board, whose data and script are in it, and an overview of all boards."""
