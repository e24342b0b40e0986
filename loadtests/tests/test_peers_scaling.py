"""What is said of more partitions and workers."""

from loadtests.peers.scaling import SIZES, Scaled, Size, laws, table


def _runs(grows: float) -> dict[Size, list[Scaled]]:
    """Two rounds, the second slower throughout; an event costs `grows` more for each worker."""
    return {
        size: [
            Scaled(10_000 / slow, slow * (1 + grows * (size.workers - 1)) / 10_000, 2.0**27)
            for slow in (1, 2)
        ]
        for size in SIZES
    }


def test_every_number_of_partitions_and_of_workers_is_measured_once() -> None:
    assert [(one.partitions, one.workers) for one in SIZES] == [
        (1, 1), (2, 1), (4, 1), (8, 1), (8, 2), (8, 4)
    ]  # fmt: skip


def test_a_flat_cost_has_no_coefficients_however_rounds_differ() -> None:
    found = laws(_runs(0.0))
    for name in ("partitions, by CPU", "workers, by CPU"):
        assert (found[name].sigma, found[name].kappa) == (0, 0) or found[name].at(8) > (
            7.99 * found[name].at(1)
        )


def test_a_cost_that_grows_with_workers_is_seen_and_only_there() -> None:
    found, lines = laws(_runs(0.1)), table(_runs(0.1))
    assert abs(found["workers, by CPU"].sigma - 0.1) < 0.01
    assert found["partitions, by CPU"].sigma < 0.001
    assert "1.00 (1.00-1.00)" in lines[4]
    assert "1.30 (1.30-1.30)" in lines[6]
