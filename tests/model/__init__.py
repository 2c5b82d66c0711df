"""A naive model of the capture of one chat, and the property test that compares the engine with it."""
