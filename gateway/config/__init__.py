"""The configuration file: its models, reading it with positions, and compiling it into settings."""
