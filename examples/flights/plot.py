"""The plot: delays by distance, with the outliers, and how they went through the year."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np


def save(directory, columns, ranked, found):
    directory.mkdir(exist_ok=True)
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    order, out = np.argsort(found["distance"]), found["outlier"]
    left.scatter(found["distance"], ranked["mean"], s=ranked["count"] / 80, color="#4878a8", alpha=0.6)
    left.scatter(found["distance"][out], ranked["mean"][out], s=40, facecolor="none", edgecolor="#c05030")
    left.plot(found["distance"][order], found["expected"][order], color="#222222", lw=0.8)
    for i in np.flatnonzero(out):
        left.annotate(ranked["group"][i].decode(), (found["distance"][i], ranked["mean"][i]),
                      textcoords="offset points", xytext=(6, 4))
    left.set(title="Mean delay on arrival by airport", xlabel="km from New York", ylabel="minutes")

    window = 20_000
    delays = np.nan_to_num(columns["arr_delay"])
    trend = np.convolve(delays, np.ones(window) / window, "valid")
    right.plot(np.arange(window - 1, len(delays)), trend, color="#c05030", lw=1)
    first = [int(np.argmax(columns["month"] == month)) for month in range(1, 13)]
    right.set_xticks(first, "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split())
    right.set(title="Mean of the last 20,000 flights", ylabel="minutes", xlim=(window, len(delays)))
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    picture = directory / "delays.png"
    figure.savefig(picture, dpi=120)
    plt.close(figure)
    return picture
