"""The face detector of the daemon: labels from YuNet, network, training, export and evaluation."""
