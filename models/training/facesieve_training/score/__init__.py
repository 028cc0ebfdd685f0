"""The command `score`: quality scores of any images, as tables and in the formats of other code."""
