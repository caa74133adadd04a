"""Boards made of sections of words, tables and figures: what BBOB, HPO and tuned boards share."""
