"""What Redis does by itself, each script as a whole: nobody else's command comes in between.

Three kinds of keys, all below PREFIX: `failed:ID`, the wrong passwords of an account by time; `tried:ID`, its attempts
that are under way by the time until which they are held; `same:ID`, the ID of the account that this one is another
name of. Times are milliseconds since the epoch on the clock of the Redis server, as the gateways reckon it.

Each script takes the key `same:ID` and as its first arguments the prefix, the ID and the time.
"""

from __future__ import annotations

from typing import Final

PREFIX: Final = "ldap-gateway:lockout:"

_BEGIN: Final = """
local prefix, now = ARGV[1], tonumber(ARGV[3])
local id = redis.call('GET', KEYS[1]) or ARGV[2]
local failed, tried = prefix .. 'failed:' .. id, prefix .. 'tried:' .. id
local function keep(key, milliseconds)
  if redis.call('PTTL', key) < milliseconds then redis.call('PEXPIRE', key, milliseconds) end
end
"""

# Further arguments: the attempt, milliseconds of the window, failures that are permitted, milliseconds for which an
# attempt is held, and 1 where an attempt whose gateway has died counts as a wrong password: the server may have got it.
# Returns the answer and the failures, each with its time.
ASK: Final = (
    _BEGIN
    + """
local attempt, window, most, hold = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
for _, lost in ipairs(redis.call('ZRANGEBYSCORE', tried, '-inf', now)) do
  if ARGV[8] == '1' then redis.call('ZADD', failed, redis.call('ZSCORE', tried, lost), lost) end
  redis.call('ZREM', tried, lost)
end
-- An attempt that asks again has heard nothing of what it was told before.
redis.call('ZREM', tried, attempt)
redis.call('ZREMRANGEBYSCORE', failed, '-inf', now - window)
local failures = redis.call('ZCARD', failed)
local answer = 'waits'
if failures >= most then
  answer = 'guarded'
elseif failures + redis.call('ZCARD', tried) < most then
  answer = 'admitted'
  redis.call('ZADD', tried, now + hold, attempt)
end
keep(failed, window)
keep(tried, window + hold)
return {answer, redis.call('ZRANGE', failed, 0, -1, 'WITHSCORES')}
"""
)

# A further argument: a gateway's news of an account as JSON, with what attempt_store.Change has; window and hold in
# milliseconds, failures as pairs of attempt and time.
CHANGE: Final = (
    _BEGIN
    + """
local change = cjson.decode(ARGV[4])
for _, attempt in ipairs(change.ended) do
  redis.call('ZREM', tried, attempt)
  redis.call('ZREM', failed, attempt)
end
if change.cleared then redis.call('ZREMRANGEBYSCORE', failed, '-inf', change.cleared) end
for _, failure in ipairs(change.failures) do redis.call('ZADD', failed, failure[2], failure[1]) end
for _, attempt in ipairs(change.under_way) do
  redis.call('ZREM', failed, attempt)
  redis.call('ZADD', tried, now + change.hold, attempt)
end
keep(failed, change.window)
keep(tried, change.window + change.hold)
"""
)

# Further arguments: the ID of the account that this one is another name of, and milliseconds for which to know it.
JOIN: Final = (
    _BEGIN
    + """
redis.call('SET', KEYS[1], ARGV[4], 'PX', ARGV[5])
for _, kind in ipairs({'failed:', 'tried:'}) do
  local from, to = prefix .. kind .. ARGV[2], prefix .. kind .. ARGV[4]
  if from ~= to and redis.call('EXISTS', from) == 1 then
    local left = math.max(redis.call('PTTL', from), redis.call('PTTL', to))
    redis.call('ZUNIONSTORE', to, 2, to, from, 'AGGREGATE', 'MAX')
    redis.call('PEXPIRE', to, left)
    redis.call('DEL', from)
  end
end
"""
)

# By itself. Its key holds a word that lasts as long as everything else here, its argument is such a word for a store
# that has none. Returns the word, and the server's time in seconds and microseconds.
LOOK: Final = """
redis.call('SET', KEYS[1], ARGV[1], 'NX')
return {redis.call('GET', KEYS[1]), redis.call('TIME')}
"""
