"""Small networks that learn to say what the labels say, from the image alone."""
