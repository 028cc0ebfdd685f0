"""The pose head: yaw and pitch of a face from the quality network, trained on rendered heads."""
