"""The models' side of the wire: questions out, answers in, nobody harmed by another."""
