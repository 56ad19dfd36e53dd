import json

import numpy as np
import zcx

with open("scale.json") as file:
    scale = zcx.Calculator(json.load(file))
scaled = scale.calculate(np.full(1_000_000, 14.0))  # an array in the store
print(f"{len(scaled)} numbers, the last one is {scaled[-1]:g}")
