"""Labels without people: how well a recognition network will do with each face, clean and degraded."""
