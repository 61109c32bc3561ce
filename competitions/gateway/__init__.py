"""Ask models over the wire, so that no model can harm the answer of another."""
