"""``/v1/audio/speech/async``, ``/v1/audio/speech/batch``, ``/v1/jobs``, ``/v1/batches``."""

from collections import Counter
from typing import Annotated, Final

import anyio
from fastapi import APIRouter, Depends, Header, Query
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from s1_client.job_records import JobStatus
from s1_gateway.auth import Caller, Scope
from s1_gateway.bodies import json_body, parse_json
from s1_gateway.errors import GatewayError, Problem, Reason
from s1_gateway.jobs.ledger import unavailable
from s1_gateway.jobs.listing import page_of_batch, page_of_token
from s1_gateway.jobs.records import Job
from s1_gateway.jobs.schemas import (
    BatchBody,
    BatchMade,
    BatchShown,
    Counted,
    JobBody,
    JobList,
    JobMade,
    JobShown,
    ListedJobs,
)
from s1_gateway.jobs.spec import JobSpec
from s1_gateway.jobs.store import StoreError
from s1_gateway.jobs.submitting import Jobs, not_found
from s1_gateway.jobs_http.errors import render
from s1_gateway.jobs_http.parts import part_asked_for
from s1_gateway.metrics import Door
from s1_gateway.openai.errors import Envelope
from s1_gateway.openai.models import check_model
from s1_gateway.routing import described, enveloped
from s1_gateway.state import TheGateway, gateway_of

router = APIRouter(prefix="/v1", tags=["Jobs"], route_class=enveloped(render, Door.JOBS), responses=described(Envelope))

_SOUND: Final = {"audio/*": {"schema": {"type": "string", "format": "binary"}}}


async def the_jobs(request: Request) -> Jobs:
    """The jobs' part of the gateway, where it has one."""
    jobs = gateway_of(request).jobs
    if jobs is None:
        raise GatewayError(Reason.NOT_FOUND, "this gateway keeps no jobs: S1_GATEWAY_REDIS_URL is not set")
    return jobs


async def jobs_caller(request: Request) -> Caller:
    """The caller, who may make jobs."""
    caller = gateway_of(request).caller_of(request)
    caller.need(Scope.JOBS)
    return caller


TheJobs = Annotated[Jobs, Depends(the_jobs)]
JobsCaller = Annotated[Caller, Depends(jobs_caller)]
IdempotencyKey = Annotated[str | None, Header(description="the same key and body make no second job")]


@router.post("/audio/speech/async", status_code=202, response_model=JobMade, openapi_extra=json_body(JobBody))
async def submit(
    request: Request, gateway: TheGateway, caller: JobsCaller, jobs: TheJobs, idempotency_key: IdempotencyKey = None
) -> Response:
    """Take a text as a job."""
    raw = await request.body()
    content = parse_json(raw)
    if isinstance(content, dict) and "model" in content:
        check_model(str(content["model"]), gateway.settings)
    taken = await jobs.submit(caller, JobBody.model_validate(content), raw, idempotency_key)
    status_url = _url(request, f"v1/jobs/{taken.id}")
    made = JobMade(job_id=taken.id, status_url=status_url, estimated_seconds=taken.estimated_s)
    return JSONResponse(made.model_dump(), status_code=202, headers={"location": status_url})


@router.post("/audio/speech/batch", status_code=202, response_model=BatchMade, openapi_extra=json_body(BatchBody))
async def submit_batch(
    request: Request, caller: JobsCaller, jobs: TheJobs, idempotency_key: IdempotencyKey = None
) -> Response:
    """Take many texts, each a job of its own; also a bare list of them."""
    raw = await request.body()
    body = BatchBody.model_validate(parse_json(raw))
    try:
        taken = await jobs.submit_batch(caller, body, raw, idempotency_key)
        batch = await jobs.ledger.find_batch(taken.id)
    except RedisError as error:
        raise unavailable() from error
    if batch is None:
        raise not_found("batch")
    status_url = _url(request, f"v1/batches/{taken.id}")
    made = BatchMade(
        batch_id=taken.id,
        job_ids=list(batch.job_ids),
        status_url=status_url,
        estimated_seconds=taken.estimated_s,
    )
    return JSONResponse(made.model_dump(), status_code=202, headers={"location": status_url})


@router.get("/jobs", response_model=JobList)
async def list_jobs(request: Request, caller: JobsCaller, jobs: TheJobs, of: Annotated[ListedJobs, Query()]) -> JobList:
    """List the caller's jobs, the newest first, or those of a batch in the order of its texts."""
    try:
        if of.batch_id is None:
            page = await page_of_token(jobs.ledger, caller.name, of.after, of.limit)
        else:
            page = await page_of_batch(jobs.ledger, caller.name, of.batch_id, of.after, of.limit)
        found = await jobs.ledger.find_all(page.job_ids)
    except RedisError as error:
        raise unavailable() from error
    shown = [_show(request, jobs, job) for job in found if job is not None]
    return JobList(data=shown, has_more=page.has_more, last_id=page.job_ids[-1] if page.job_ids else None)


@router.get("/jobs/{job_id}", response_model=JobShown)
async def show_job(request: Request, job_id: str, caller: JobsCaller, jobs: TheJobs) -> JobShown:
    """Say how far a job is."""
    return _show(request, jobs, await _own_job(job_id, caller, jobs))


@router.delete("/jobs/{job_id}", response_model=JobShown)
async def cancel_job(request: Request, job_id: str, caller: JobsCaller, jobs: TheJobs) -> JobShown:
    """Cancel a job; one that is over stays as it is."""
    await _own_job(job_id, caller, jobs)
    try:
        await jobs.ledger.cancel(job_id)
    except RedisError as error:
        raise unavailable() from error
    return _show(request, jobs, await _own_job(job_id, caller, jobs))


@router.get(
    "/jobs/{job_id}/content",
    response_class=Response,
    responses={
        200: {"content": _SOUND, "description": "the sound"},
        206: {"content": _SOUND, "description": "the part that `range` asks for"},
    },
)
async def give_content(request: Request, job_id: str, caller: JobsCaller, jobs: TheJobs) -> Response:
    """Give a job's sound, or a part of it."""
    job = await _own_job(job_id, caller, jobs)
    if job.result is None:
        raise GatewayError(Reason.NOT_FOUND, f"the job has no sound: it is {job.state}", field="job")
    try:
        data = await anyio.to_thread.run_sync(jobs.store.get, job.result.name)
    except StoreError as error:
        raise GatewayError(Reason.BUSY, "the store of sound does not answer", retry_after_s=2) from error
    if data is None:
        raise not_found("sound")
    tag = f'"{job.id}"'
    headers = {
        "content-disposition": f'attachment; filename="{_file_name(job)}"',
        "accept-ranges": "bytes",
        "etag": tag,
    }
    part = part_asked_for(request.headers, len(data), tag)
    if part is None:
        return Response(data, media_type=job.result.media_type, headers=headers)
    if part.is_empty:
        refusal = render(Problem(reason=Reason.RANGE, message=f"the sound has {len(data)} bytes", field="range"))
        refusal.headers["content-range"] = f"bytes */{len(data)}"
        return refusal
    headers["content-range"] = f"bytes {part.start}-{part.stop - 1}/{len(data)}"
    return Response(data[part.start : part.stop], 206, media_type=job.result.media_type, headers=headers)


@router.get("/batches/{batch_id}", response_model=BatchShown)
async def show_batch(batch_id: str, caller: JobsCaller, jobs: TheJobs) -> BatchShown:
    """Say how far a batch is."""
    try:
        batch = await jobs.ledger.find_batch(batch_id)
        if batch is None or batch.token != caller.name:
            raise not_found("batch")
        found = await jobs.ledger.find_all(batch.job_ids)
    except RedisError as error:
        raise unavailable() from error
    states = Counter(job.state for job in found if job is not None)
    num_over = sum(number for state, number in states.items() if state.is_over) + found.count(None)
    has_begun = num_over > 0 or states[JobStatus.IN_PROGRESS] > 0
    return BatchShown(
        id=batch.id,
        status="completed" if num_over == len(found) else "in_progress" if has_begun else "queued",
        created_at=int(batch.created_s),
        job_counts=Counted(total=len(found), **{state.value: states[state] for state in JobStatus}),
        job_ids=list(batch.job_ids),
    )


@router.delete("/batches/{batch_id}", response_model=BatchShown)
async def cancel_batch(batch_id: str, caller: JobsCaller, jobs: TheJobs) -> BatchShown:
    """Cancel the jobs of a batch that are not over."""
    shown = await show_batch(batch_id, caller, jobs)
    try:
        for job_id in shown.job_ids:
            await jobs.ledger.cancel(job_id)
    except RedisError as error:
        raise unavailable() from error
    return await show_batch(batch_id, caller, jobs)


async def _own_job(job_id: str, caller: Caller, jobs: Jobs) -> Job:
    try:
        job = await jobs.ledger.find(job_id)
    except RedisError as error:
        raise unavailable() from error
    if job is None or job.token != caller.name:
        raise not_found("job")
    return job


def _show(request: Request, jobs: Jobs, job: Job) -> JobShown:
    audio_url = None
    if job.result is not None:
        link = jobs.store.link(job.result.name, _file_name(job))
        audio_url = link or _url(request, f"v1/jobs/{job.id}/content")
    return JobShown.of(job, audio_url)


def _file_name(job: Job) -> str:
    return f"{job.id}.{JobSpec.model_validate_json(job.spec).sound().extension}"


def _url(request: Request, path: str) -> str:
    return f"{request.base_url}{path}"
