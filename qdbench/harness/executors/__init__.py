"""Where trials run. An executor takes jobs and a folder and yields what became of each."""
