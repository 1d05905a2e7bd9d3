"""Training a run: what it is put together from, how it goes on and stops, what it notes and shows."""
