"""The network of refinement: five landmarks of the face in a square around it."""
