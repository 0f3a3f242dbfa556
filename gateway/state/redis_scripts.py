"""What Redis does by itself, each script as a whole: nobody else's command comes in between.

The keys, all below PREFIX:
`failed:ID`    the wrong passwords of an account, by the time when each was known
`tried:ID`     its attempts that are under way, by the time until which they are held
`begun:ID`     both of these, by the time when they were admitted
`forgiven:ID`  wrong passwords that count no more because a right one came, by the time when that was heard
`same:ID`      the ID of the account that this one is another name of
`word`         a word that changes when everything else here was lost

Times are microseconds since the epoch on the clock of the Redis server, as the gateways reckon it; spans are
microseconds as well.

Each script but LOOK and COUNT takes the key `same:ID` and as its first arguments the prefix, the ID and the time.
"""

from __future__ import annotations

from typing import Final

from gateway.state.failures import MOST_FAILURES

PREFIX: Final = "ldap-gateway:lockout:"

# Forgiven failures of an account that are remembered, so that a gateway which was away does not count them anew.
_FORGIVEN: Final = 100

_BEGIN: Final = """
local prefix, now = ARGV[1], tonumber(ARGV[3])
local id = redis.call('GET', KEYS[1]) or ARGV[2]
local failed, tried, begun = prefix .. 'failed:' .. id, prefix .. 'tried:' .. id, prefix .. 'begun:' .. id
local forgiven = prefix .. 'forgiven:' .. id
local function keep(microseconds)
  local milliseconds = math.ceil(microseconds / 1000)
  for _, key in ipairs({failed, tried, begun, forgiven}) do
    if redis.call('PTTL', key) < milliseconds then
      redis.call('PEXPIRE', key, string.format('%.0f', milliseconds))
    end
  end
end
"""

# Further arguments: the word that the gateway knows, the attempt, the window, failures that are permitted, the span for
# which an attempt is held, 1 where an attempt whose gateway has died counts as a wrong password (the server may have
# got it), and 1 where failures expire together (gateway/state/failures.py has the rule).
# Returns the answer; the latest failures, each with the times when it was known and when it began; and the forgiven.
ASK: Final = (
    _BEGIN
    + """
if redis.call('GET', prefix .. 'word') ~= ARGV[4] then return {'lost', {}, {}} end
local attempt, window, most, hold = ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local together = ARGV[10] == '1'
for _, lost in ipairs(redis.call('ZRANGEBYSCORE', tried, '-inf', now)) do
  if ARGV[9] == '1' then
    redis.call('ZADD', failed, redis.call('ZSCORE', tried, lost), lost)
  else
    redis.call('ZREM', begun, lost)
  end
  redis.call('ZREM', tried, lost)
end
-- An attempt that asks again has heard nothing of what it was told before.
redis.call('ZREM', tried, attempt)
local function began(name, otherwise)
  return tonumber(redis.call('ZSCORE', begun, name) or otherwise)
end
local quiet_until, under_way = now, redis.call('ZRANGE', tried, 0, -1)
if together then
  for _, name in ipairs(under_way) do quiet_until = math.min(quiet_until, began(name, now)) end
end
local latest, failures, told = redis.call('ZREVRANGE', failed, 0, most - 1, 'WITHSCORES'), 0, {}
local alive = true
for i = 1, #latest, 2 do
  local at, from = latest[i + 1], redis.call('ZSCORE', begun, latest[i]) or latest[i + 1]
  alive = alive and quiet_until - tonumber(at) <= window
  if alive then failures = failures + 1 end
  if together then quiet_until = math.min(quiet_until, tonumber(from)) end
  told[#told + 1], told[#told + 2], told[#told + 3] = latest[i], at, from
end
local answer = 'waits'
if failures >= most then
  answer = 'guarded'
elseif failures + #under_way < most then
  answer = 'admitted'
  redis.call('ZADD', tried, now + hold, attempt)
  redis.call('ZADD', begun, now, attempt)
end
keep(window + hold)
return {answer, told, redis.call('ZRANGE', forgiven, 0, -1)}
"""
)

# A further argument: a gateway's news of an account as JSON, with what attempt_store.Change has, and hold, the span for
# which an attempt is held; failures as triples of attempt, the time when it was known and when it began; under_way as
# pairs of attempt and the time when it began.
CHANGE: Final = (
    _BEGIN
    + f"""
local most_forgiven, most_failures = {_FORGIVEN}, {MOST_FAILURES}
"""
    + """
local change = cjson.decode(ARGV[4])
local function forget(key, name)
  redis.call('ZREM', key, name)
  redis.call('ZREM', begun, name)
end
local function forgive(name)
  forget(failed, name)
  redis.call('ZADD', forgiven, now, name)
end
for _, name in ipairs(change.ended) do
  forget(tried, name)
  forget(failed, name)
end
if change.cleared then
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', failed, '-inf', change.cleared)) do forgive(name) end
end
for _, name in ipairs(change.forgiven) do forgive(name) end
for _, failure in ipairs(change.failures) do
  if not redis.call('ZSCORE', forgiven, failure[1]) then
    redis.call('ZADD', failed, failure[2], failure[1])
    redis.call('ZADD', begun, failure[3], failure[1])
  end
end
for _, one in ipairs(change.under_way) do
  redis.call('ZREM', failed, one[1])
  redis.call('ZADD', tried, now + change.hold, one[1])
  redis.call('ZADD', begun, one[2], one[1])
end
for _, name in ipairs(redis.call('ZRANGE', failed, 0, -1 - most_failures)) do forget(failed, name) end
redis.call('ZREMRANGEBYRANK', forgiven, 0, -1 - most_forgiven)
keep(change.window + change.hold)
"""
)

# Further arguments: the ID of the account that this one is another name of, and milliseconds for which to know it.
JOIN: Final = (
    _BEGIN
    + """
-- An account is never another's alias at the same time: both would be nobody's.
redis.call('DEL', prefix .. 'same:' .. ARGV[4])
redis.call('SET', KEYS[1], ARGV[4], 'PX', ARGV[5])
for _, kind in ipairs({'failed:', 'tried:', 'begun:', 'forgiven:'}) do
  local from, to = prefix .. kind .. ARGV[2], prefix .. kind .. ARGV[4]
  if from ~= to and redis.call('EXISTS', from) == 1 then
    local left = math.max(redis.call('PTTL', from), redis.call('PTTL', to))
    redis.call('ZUNIONSTORE', to, 2, to, from, 'AGGREGATE', 'MAX')
    redis.call('PEXPIRE', to, string.format('%.0f', left))
    redis.call('DEL', from)
  end
end
"""
)

# Its key holds a word that lasts as long as everything else here, its argument is such a word for a store that has
# none. Returns the word, and the server's time in seconds and microseconds.
LOOK: Final = """
redis.call('SET', KEYS[1], ARGV[1], 'NX')
return {redis.call('GET', KEYS[1]), redis.call('TIME')}
"""

# Its key is the pattern of the names of what it counts. SCAN may name a key twice, so it keeps the names.
COUNT: Final = """
local names, number, cursor = {}, 0, '0'
repeat
  local found = redis.call('SCAN', cursor, 'MATCH', KEYS[1], 'COUNT', 1000)
  cursor = found[1]
  for _, name in ipairs(found[2]) do
    if not names[name] then names[name], number = true, number + 1 end
  end
until cursor == '0'
return number
"""
