"""One module per command of `chatbridge`: `define` adds its arguments, `run` runs it and returns the exit code."""
