"""Networks: the layers and bodies that are trained here, and exported ones read back and run."""
