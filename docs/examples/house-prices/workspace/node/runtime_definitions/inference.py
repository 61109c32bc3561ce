"""What models are shown and asked: one house."""


def build_input(raw_input):
    # TODO: add or leave out what your models should see.
    return raw_input


def build_scope(config, inference_input):
    scope = {**config["scope_template"], "house": inference_input["house"]}
    return {"scope_key": config["scope_key"], "scope": scope}


def build_call(config, inference_input, scope):
    return {"args": [inference_input], "kwargs": {}}
