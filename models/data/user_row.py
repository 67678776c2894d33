"""The model's fields of a user's stored row. Imports no numpy, so that what shows a row starts fast."""

from models.config import TEXT_CODE_BYTES, ModelConfig

Field = tuple[str, str, tuple[int, ...]]


def user_row_fields(config: ModelConfig) -> list[Field]:
    """Fields of a user's row as (name, numpy dtype, shape); all zero is a new user."""
    fields: list[Field] = [
        ("h", "<f2", (config.num_layers * config.hidden_size,)),
        ("c", "<f2", (config.num_layers * config.hidden_size,)),
        ("ring_item", "<u4", (config.history_length,)),
        ("ring_type", "u1", (config.history_length,)),
        ("ring_gap", "u1", (config.history_length,)),
        ("ring_value", "u1", (config.history_length,)),
        ("steps", "<u4", ()),  # events of the user so far
        ("last_time_ms", "<i8", ()),
    ]
    if config.text != "none":
        fields.append(("ring_text", "u1", (config.history_length, TEXT_CODE_BYTES)))
    if config.profile_width:
        fields += [
            ("profile", "<f4", (config.profile_width,)),  # as user.upsert had it, named numbers as logarithms
            ("profile_known", "u1", (config.profile_width,)),  # 0 where the number is missing
        ]
    if not config.allow_repeats:
        fields.append(("seen", "u1", (config.seen_bits // 8,)))
    return fields
