"""One module per command of `chatbridge`: `define` says what it takes, `run` does it and returns the exit code."""
