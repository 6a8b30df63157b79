"""The steps of a job's life as scripts of Redis: each happens whole or not at all, by Redis' own clock.

Keys: ``job:ID`` and ``batch:ID`` records, ``waiting:CLASS`` ids by when they were made, ``due:CLASS`` ids by when they
are to be given to a worker, ``running`` ids by when their lease ends, ``hooks`` ids by when their caller is to be told,
``of:TOKEN`` ids of a token, ``same:TOKEN:KEY`` idempotency, ``recent`` what ended lately, ``characters`` of all that
wait or run, ``swept`` when leases were looked at last, ``counts``.
"""

from typing import Final

_COMMON: Final = """
local p = ARGV[1]
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local function key(id) return p .. 'job:' .. id end
local function count(name) redis.call('HINCRBY', p .. 'counts', name, 1) end
local function leave(id, class)
  redis.call('ZREM', p .. 'waiting:' .. class, id)
  redis.call('ZREM', p .. 'due:' .. class, id)
  redis.call('ZREM', p .. 'running', id)
end
local function settle(id, state, err, result, ttl)
  local k = key(id)
  local class = redis.call('HGET', k, 'class')
  leave(id, class)
  redis.call('DECRBY', p .. 'characters', redis.call('HGET', k, 'characters'))
  redis.call('HSET', k, 'state', state, 'completed_ms', now, 'expires_ms', now + ttl * 1000, 'owner', '',
    'error', err, 'result', result)
  if state == 'completed' then redis.call('HSET', k, 'progress', 100) end
  redis.call('EXPIRE', k, ttl)
  local batch = redis.call('HGET', k, 'batch')
  if batch ~= '' then redis.call('EXPIRE', p .. 'batch:' .. batch, ttl) end
  count(state)
  if redis.call('HGET', k, 'webhook') ~= '' then redis.call('ZADD', p .. 'hooks', now, id) end
end
local function requeue(id, class, at)
  redis.call('ZREM', p .. 'running', id)
  redis.call('HSET', key(id), 'state', 'queued', 'owner', '', 'progress', 0)
  redis.call('ZADD', p .. 'waiting:' .. class, redis.call('HGET', key(id), 'created_ms'), id)
  redis.call('ZADD', p .. 'due:' .. class, at, id)
end
local function owns(id, owner)
  return redis.call('HGET', key(id), 'state') == 'in_progress' and redis.call('HGET', key(id), 'owner') == owner
end
"""

_ENDS: Final = "#!lua flags=allow-oom\n"
"""Steps that end or free something go on where Redis is full."""

# prefix, most waiting, token, class, webhook, idempotency key or '', body's hash, ttl, batch or '', number of jobs,
# and of each: id, spec, characters
SUBMIT: Final = (
    "#!lua\n"
    + _COMMON
    + """
local same = p .. 'same:' .. ARGV[3] .. ':' .. ARGV[6]
if ARGV[6] ~= '' then
  local known = redis.call('GET', same)
  if known then
    local split = string.find(known, ' ')
    if string.sub(known, 1, split - 1) ~= ARGV[7] then return {'conflict'} end
    return {'same', string.sub(known, split + 1), redis.call('GET', p .. 'characters')}
  end
end
local n, ids = tonumber(ARGV[10]), {}
local function taken(how, id) return {how, id, redis.call('GET', p .. 'characters')} end
if redis.call('EXISTS', key(ARGV[11])) == 1 then return taken('new', '') end
local waiting = redis.call('ZCARD', p .. 'waiting:single') + redis.call('ZCARD', p .. 'waiting:batch')
if waiting + n > tonumber(ARGV[2]) then return {'full'} end
for i = 0, n - 1 do
  local id, spec, characters = ARGV[11 + 3 * i], ARGV[12 + 3 * i], ARGV[13 + 3 * i]
  redis.call('HSET', key(id), 'token', ARGV[3], 'class', ARGV[4], 'webhook', ARGV[5], 'batch', ARGV[9], 'spec', spec,
    'characters', characters, 'state', 'queued', 'created_ms', now)
  redis.call('ZADD', p .. 'waiting:' .. ARGV[4], now, id)
  redis.call('ZADD', p .. 'due:' .. ARGV[4], now, id)
  redis.call('ZADD', p .. 'of:' .. ARGV[3], now, id)
  redis.call('INCRBY', p .. 'characters', characters)
  ids[#ids + 1] = id
end
redis.call('ZREMRANGEBYSCORE', p .. 'of:' .. ARGV[3], '-inf', now - 2000 * ARGV[8])
redis.call('EXPIRE', p .. 'of:' .. ARGV[3], 2 * ARGV[8])
local name = ARGV[9] ~= '' and ARGV[9] or ids[1]
if ARGV[9] ~= '' then
  redis.call('HSET', p .. 'batch:' .. ARGV[9], 'token', ARGV[3], 'created_ms', now, 'jobs', table.concat(ids, ' '))
end
if ARGV[6] ~= '' then redis.call('SET', same, ARGV[7] .. ' ' .. name, 'EX', ARGV[8]) end
return taken('new', '')
"""
)

# prefix, id, owner, lease in ms
CLAIM: Final = (
    "#!lua\n"
    + _COMMON
    + """
local id, k = ARGV[2], key(ARGV[2])
if owns(id, ARGV[3]) then return redis.call('HGETALL', k) end
if redis.call('HGET', k, 'state') ~= 'queued' then return {} end
leave(id, redis.call('HGET', k, 'class'))
redis.call('HSET', k, 'state', 'in_progress', 'owner', ARGV[3], 'started_ms', now)
redis.call('HINCRBY', k, 'attempts', 1)
redis.call('ZADD', p .. 'running', now + ARGV[4], id)
return redis.call('HGETALL', k)
"""
)

# prefix, id, owner, lease in ms, progress
BEAT: Final = (
    _ENDS
    + _COMMON
    + """
if not owns(ARGV[2], ARGV[3]) then return 0 end
redis.call('ZADD', p .. 'running', now + ARGV[4], ARGV[2])
redis.call('HSET', key(ARGV[2]), 'progress', ARGV[5])
return 1
"""
)

# prefix, id, owner, state, error, result, ttl, began at (Unix ms)
FINISH: Final = (
    _ENDS
    + _COMMON
    + """
local id = ARGV[2]
if not owns(id, ARGV[3]) then return 0 end
if ARGV[4] == 'completed' and ARGV[8] ~= '' then
  redis.call('LPUSH', p .. 'recent', ARGV[8] .. ' ' .. now .. ' ' .. redis.call('HGET', key(id), 'characters'))
  redis.call('LTRIM', p .. 'recent', 0, 999)
end
settle(id, ARGV[4], ARGV[5], ARGV[6], tonumber(ARGV[7]))
return 1
"""
)

# prefix, id, owner, delay in ms, whether it counts as an attempt
GIVE_BACK: Final = (
    _ENDS
    + _COMMON
    + """
local id = ARGV[2]
if not owns(id, ARGV[3]) then return 0 end
requeue(id, redis.call('HGET', key(id), 'class'), now + ARGV[4])
if ARGV[5] == '1' then count('retried') else redis.call('HINCRBY', key(id), 'attempts', -1) end
return 1
"""
)

# prefix, id, ttl
CANCEL: Final = (
    _ENDS
    + _COMMON
    + """
local state = redis.call('HGET', key(ARGV[2]), 'state')
if state == 'queued' or state == 'in_progress' then settle(ARGV[2], 'cancelled', '', '', tonumber(ARGV[3])) end
return 1
"""
)

# prefix, most deaths, ttl, error of a job that is set aside, lease in ms
REAP: Final = (
    _ENDS
    + _COMMON
    + """
local last = redis.call('GET', p .. 'swept')
redis.call('SET', p .. 'swept', now)
if last and math.abs(now - last) > ARGV[5] / 2 then
  for _, id in ipairs(redis.call('ZRANGE', p .. 'running', 0, -1)) do
    redis.call('ZADD', p .. 'running', now + ARGV[5], id)
  end
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', p .. 'running', '-inf', now, 'LIMIT', 0, 500)) do
  count('lost')
  redis.call('HINCRBY', key(id), 'attempts', -1)
  if redis.call('HINCRBY', key(id), 'deaths', 1) >= tonumber(ARGV[2]) then
    count('failed:poison')
    settle(id, 'failed', ARGV[4], '', tonumber(ARGV[3]))
  else
    requeue(id, redis.call('HGET', key(id), 'class'), now)
  end
end
return 1
"""
)
"""Where nobody swept for a while, Redis was away or its clock was set: leases that ended meanwhile say nothing of their
workers, who get another one to give a sign of life."""

# prefix, sorted set, most, until when another look is needless in ms
TAKE_DUE: Final = (
    _ENDS
    + _COMMON
    + """
local set = p .. ARGV[2]
local ids = redis.call('ZRANGEBYSCORE', set, '-inf', now, 'LIMIT', 0, ARGV[3])
for _, id in ipairs(ids) do redis.call('ZADD', set, now + ARGV[4], id) end
return ids
"""
)

# prefix, id, attempts as JSON, delay of the next in ms or '' if it is over
TOLD: Final = (
    _ENDS
    + _COMMON
    + """
if redis.call('EXISTS', key(ARGV[2])) == 1 then redis.call('HSET', key(ARGV[2]), 'told', ARGV[3]) end
if ARGV[4] == '' then redis.call('ZREM', p .. 'hooks', ARGV[2])
else redis.call('ZADD', p .. 'hooks', now + ARGV[4], ARGV[2]) end
return 1
"""
)

# prefix, token, most, id behind which the list begins or ''
LIST: Final = """#!lua flags=no-writes
local ids, first = ARGV[1] .. 'of:' .. ARGV[2], 0
if ARGV[4] ~= '' then
  local rank = redis.call('ZREVRANK', ids, ARGV[4])
  if not rank then return {0} end
  first = rank + 1
end
return {1, unpack(redis.call('ZREVRANGE', ids, first, first + ARGV[3] - 1))}
"""
