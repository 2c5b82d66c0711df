"""A stored input and the stored output of it: every record that the bridge writes, compared byte for byte."""
