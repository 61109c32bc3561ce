"""What models are shown and asked: five texts."""


def build_input(raw_input):
    # TODO: add or leave out what your models should see.
    return raw_input


def build_scope(config, inference_input):
    ids = [text["id"] for text in inference_input["texts"]]
    return {
        "scope_key": config["scope_key"],
        "scope": {**config["scope_template"], "ids": ids},
    }


def build_call(config, inference_input, scope):
    return {"args": [inference_input["texts"]], "kwargs": {}}
