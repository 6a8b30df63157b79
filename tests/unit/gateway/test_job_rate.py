"""The rate at which jobs are done is that at which they are done."""

import pytest

from s1_gateway.jobs.rate import rate_of


def ended(*jobs: tuple[float, float, int]) -> list[str]:
    return [f"{began_s * 1000:.0f} {ended_s * 1000:.0f} {characters}" for began_s, ended_s, characters in jobs]


def test_nothing_ended():
    assert rate_of([]) is None


def test_one_job_and_jobs_that_all_end_at_once_count_from_their_beginning():
    assert rate_of(ended((10, 14, 40))).characters_per_s == 10
    rate = rate_of(ended(*((10, 14 + number / 100, 40) for number in range(8))))
    assert rate.jobs_per_s == pytest.approx(2, rel=0.02)


@pytest.mark.parametrize("num_streams", [1, 8, 640])
def test_many_streams_at_once(num_streams):
    """Each takes 4 s a job; the number of jobs that are remembered is not what the rate follows from."""
    jobs = [(number * 4 / num_streams, 4 + number * 4 / num_streams, 50) for number in range(1000)]
    assert rate_of(ended(*jobs)).jobs_per_s == pytest.approx(num_streams / 4, rel=0.01)


def test_times_without_work_do_not_count():
    jobs = [(hour * 3600 + number, hour * 3600 + number + 1, 10) for hour in range(2) for number in range(20)]
    assert rate_of(ended(*jobs)).jobs_per_s == pytest.approx(1, rel=0.01)
