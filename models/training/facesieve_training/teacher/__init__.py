"""Recognition networks that label faces: trained here, or imported."""
