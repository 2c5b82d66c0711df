"""What the answers mean: one module per subject, from what was found to `CheckResult`s. Pure."""
