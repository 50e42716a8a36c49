"""Which pixels a scan is to visit: planned, shown, tried on a movie, written."""
