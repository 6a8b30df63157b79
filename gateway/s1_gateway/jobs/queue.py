"""Celery's part: it brings ids to workers. What a job is, and how far it is, stands in the ledger."""

from collections.abc import Callable
from typing import Any, Final

from celery import Celery
from kombu.entity import Exchange, Queue

from s1_gateway.jobs.records import JobClass

WEBHOOKS: Final = "webhooks"
_LONGEST_JOB_S: Final = 3600
"""Longer than any job: Celery gives it to another worker then. The lease tells far earlier that a worker died."""


def queue_of(job_class: JobClass) -> str:
    """Name of Celery's list for a class."""
    return f"s1.{job_class}"


def make_celery(url: str, speak: Callable[[str], None], tell: Callable[[str], None]) -> Celery:
    """Make Celery's application.

    Args:
        url: Of Redis.
        speak: Does the job of an id.
        tell: Tells the caller of the job of an id.
    """
    names = (*map(queue_of, JobClass), f"s1.{WEBHOOKS}")
    # each with an exchange of its own: else what is sent to one goes into the lists of all
    queues = [Queue(name, Exchange(name), routing_key=name) for name in names]  # type: ignore[no-untyped-call]
    app = Celery("s1_gateway", broker=url, set_as_current=False)
    app.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_ignore_result=True,
        task_track_started=True,
        worker_prefetch_multiplier=1,
        worker_send_task_events=True,  # flower shows them
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        # their jobs go on: what they do is in the ledger
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_transport_options={
            "visibility_timeout": _LONGEST_JOB_S,
            "unacked_restore_interval": 1,
            "unacked_restore_throttle": 1,
            "socket_timeout": 10,
            "socket_keepalive": True,
        },
        task_queues=queues,
        task_default_queue=queue_of(JobClass.SINGLE),
    )

    def run_job(job_id: str) -> None:
        speak(job_id)

    def run_webhook(job_id: str) -> None:
        tell(job_id)

    app.task(name="s1.job")(run_job)
    app.task(name="s1.webhook")(run_webhook)
    return app


def send(app: Celery, task: str, queue: str, job_ids: list[str]) -> None:
    """Put ids into a list of Celery's, on one connection.

    Raises:
        OperationalError: Redis is gone.
    """
    with app.producer_pool.acquire(block=True) as producer:
        for job_id in job_ids:
            options: dict[str, Any] = {"queue": queue, "producer": producer, "retry": False}
            app.send_task(task, args=(job_id,), **options)
