"""Small networks that predict the labels from the image alone."""
