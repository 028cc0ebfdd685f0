"""Networks: layers and backbones for training, and reading and running of exported networks."""
