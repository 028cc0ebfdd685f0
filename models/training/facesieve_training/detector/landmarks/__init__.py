"""The network of the second look: five landmarks of the face in a square around it."""
