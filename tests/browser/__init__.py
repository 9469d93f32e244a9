"""The console as people use it: real Chromium, real processes."""
