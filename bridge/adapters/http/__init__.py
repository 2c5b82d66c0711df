"""The HTTP server: probes, metrics, the sessions API and the status page."""
