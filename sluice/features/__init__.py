"""Features: declared once, joined point-in-time for training, looked up online for serving."""
