"""Which answers of the models are refused."""


def validate_output(inference_output):
    # TODO: check what your competition asks for.
    if inference_output["value"] <= 0:
        raise ValueError(f"value was {inference_output['value']}; a price is above 0")
    return inference_output
