"""The environment variables by theme: name, type, default and meaning of each."""
