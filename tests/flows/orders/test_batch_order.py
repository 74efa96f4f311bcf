"""A batch as it was ordered: what planning holds of its pairs."""

import tracemalloc

from flows.orders.batch_order import BatchOrder, find_orders


def traced(folder, number):
    """Bytes that are held once so many pairs are known, and the most on the way there."""
    for role in ("content", "style"):
        (folder / str(number) / role).mkdir(parents=True)
        for place in range(number):
            (folder / str(number) / role / f"IMG_{place:05}.jpg").touch()
    order = BatchOrder(source=folder / str(number), out=folder / "out")
    find_orders(order)  # what is loaded once is loaded
    tracemalloc.start()
    found = find_orders(order)
    held, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found.pairs) == number
    return held, most


def test_planning_holds_of_each_pair_hardly_more_than_its_names(tmp_path):
    """Three names and two paths of some parts: a kilobyte as Python has them, as much again meanwhile."""
    few, many = traced(tmp_path, 200), traced(tmp_path, 1200)
    held, most = ((more - less) / 1000 for less, more in zip(few, many, strict=True))
    assert held < 1600 and most < 3000, (held, most)
