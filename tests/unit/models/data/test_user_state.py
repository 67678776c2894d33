from models.config import ModelConfig
from models.data.user_row import user_row_fields
from models.data.user_state import new_user_states


def test_seen_items_are_kept_only_where_they_are_filtered(config: ModelConfig) -> None:
    assert "seen" in [name for name, _, _ in user_row_fields(config)]
    assert "seen" not in [name for name, _, _ in user_row_fields(ModelConfig(allow_repeats=True))]


def test_row_stays_about_a_kilobyte() -> None:
    assert new_user_states(ModelConfig(allow_repeats=True, text="none"), 1).itemsize == 874
    assert new_user_states(ModelConfig(allow_repeats=True), 1).itemsize == 874 + 400
    assert new_user_states(ModelConfig(allow_repeats=False), 1).itemsize == 874 + 400 + 512
