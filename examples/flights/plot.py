"""The plot: delays by airline, and how they went through the year."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np


def save(directory, columns, airlines, trend):
    directory.mkdir(exist_ok=True)
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), width_ratios=(1, 1.4),
                                         layout="constrained")
    order = airlines["mean"].argsort()
    names = [code.decode() for code in airlines["group"][order]]
    left.barh(names, airlines["mean"][order], color="#4878a8", label="mean")
    left.plot(airlines["quantiles"][order, 0], names, "o", color="#222222", ms=4, label="median")
    left.axvline(0, color="#222222", lw=0.8)
    left.set(title="Delay on arrival by airline", xlabel="minutes")
    left.legend(frameon=False, loc="lower right")

    right.plot(trend, color="#c05030", lw=1)
    first = [int(np.argmax(columns["month"] == month)) for month in range(1, 13)]
    right.set_xticks(first, "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split())
    right.set(title="Mean of the last 20,000 flights", ylabel="minutes", xlim=(20_000, len(trend)))
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    picture = directory / "delays.png"
    figure.savefig(picture, dpi=120)
    plt.close(figure)
    return picture
