"""The horizons of an outlook: how far ahead it looks, and which of them have passed."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

DAY_S: Final = 86_400
HORIZON_DAYS: Final = (1, 7, 30)
HORIZON_S: Final[NDArray[np.float64]] = np.array(HORIZON_DAYS, np.float64) * DAY_S
"""[H] the same in seconds"""
