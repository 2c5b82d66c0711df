"""Universal Contact Server as far as it keeps transcripts: its table of interactions, and its HTTP interfaces."""
