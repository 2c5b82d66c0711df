"""How much of what people type the detectors of `bridge/records/detectors` find, on texts generated without them.

`make detection` prints the figures. Nothing that generates the texts imports the bridge or knows its patterns.
"""
