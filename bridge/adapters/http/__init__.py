"""HTTP: the server, the bodies it accepts, and the `StatusView` that it needs of the bridge."""
