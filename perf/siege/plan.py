"""All attacks, and the order in which they are made."""

from perf.siege.attack import Attack
from perf.siege.attacks import (
    door_leavers,
    flood,
    full_disks,
    full_shared_memory,
    hostile_recordings,
    leavers,
    lost_edge,
    lost_models,
    low_limits,
    silent_readers,
    store_away,
    strange_messages,
    unfair_flood,
    wrong_requests,
)

ATTACKS = (
    Attack("wrong requests", wrong_requests.attack),
    Attack("hostile recordings", hostile_recordings.attack),
    Attack("strange messages", strange_messages.attack),
    Attack("leavers", leavers.attack),
    Attack("leavers at the gateway", door_leavers.attack),
    Attack("silent readers", silent_readers.attack),
    Attack("a flood", flood.attack),
    Attack("a flood beside notes", unfair_flood.attack, is_in_small=False),
    Attack("voice store away", store_away.attack),
    Attack("full disks", full_disks.attack, needs_mounts=True),
    Attack("low limits", low_limits.attack, is_in_small=False),
    Attack("full shared memory", full_shared_memory.attack, is_deadly=True, needs_mounts=True, is_in_small=False),
    Attack("gateway, worker, Redis lost", lost_edge.attack, is_deadly=True),
    Attack("models lost", lost_models.attack, is_deadly=True),
)
