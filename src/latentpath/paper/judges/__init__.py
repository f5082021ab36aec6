"""Judges that the method never saw: their criteria, how they judge frames, and what is stored of it."""
