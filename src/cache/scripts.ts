/**
 * The scripts are atomic, and all keys of one lie in one slot. They are text in the code, so that the package needs
 * no files beside it. What the key of a token holds is told in values.ts; times are microseconds.
 */

/** Redis' own clock. */
const NOW = `local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]`;

/**
 * Whoever takes the lock goes on to the database, and may die there with its claim made: the lock runs out, and Redis
 * would still call the token active. So its word is taken back first, by the time at which it was made; the row id stays.
 */
const DISOWN = `
local function disown(key, state)
  if state and string.find(state, '^a%d*:[1-9]') then
    redis.call('SET', key, (string.gsub(state, ':%d+$', ':0')), 'KEEPTTL')
  end
end`;

/** A script that does the same for each of many: its keys and arguments are one behind the other, so are its replies. */
function forEach(keys: number, args: number, once: string, each: string): string {
  const own = each.replaceAll('KEYS[', 'KEYS[k + ').replaceAll('ARGV[', 'ARGV[a + ');
  return `${once}
local function each(k, a)
${own}
end
local replies = {}
for n = 0, #KEYS / ${keys} - 1 do replies[n + 1] = each(n * ${keys}, n * ${args}) end
return replies`;
}

/**
 * Takes the lock and reads what is known.
 * KEYS: lock, token, doubt. ARGV: owner, the lock's life (ms). Returns {1, now, hint, doubt} or {0, now}.
 * An owner that has the lock already is the same request, sent twice by a reconnect.
 */
export const BEGIN_LUA = forEach(
  3,
  2,
  NOW + DISOWN,
  `
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) and redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return {0, now}
end
local state = redis.call('GET', KEYS[2])
disown(KEYS[2], state)
return {1, now, state, redis.call('GET', KEYS[3])}`,
);

/**
 * Records what came of it and gives the lock back, if it is still this owner's.
 * KEYS: lock, spent token, its doubt, successor. ARGV: owner, '1' where something was learned, life of 'spent' (ms),
 * value of the successor or '', life of 'active' (ms), until when the successor may be called active.
 * 'active' is written with NX and in time only: a script that comes late must not call live what was spent since.
 */
export const FINISH_LUA = forEach(
  4,
  6,
  NOW,
  `
local held = redis.call('GET', KEYS[1]) == ARGV[1]
if ARGV[2] == '1' then
  redis.call('SET', KEYS[2], 's', 'PX', ARGV[3])
  if ARGV[4] ~= '' and now < tonumber(ARGV[6]) then
    redis.call('SET', KEYS[4], ARGV[4], 'NX', 'PX', ARGV[5])
  end
  if held then redis.call('DEL', KEYS[1], KEYS[3]) else redis.call('DEL', KEYS[3]) end
elseif held then
  redis.call('DEL', KEYS[1])
end
return now`,
);

/**
 * Claims a token that is surely unspent and appends the claim to the outbox; else does as BEGIN_LUA.
 * KEYS: lock, token, doubt, successor, outbox, user's since.
 * ARGV: owner, the lock's life (ms), until when it may run, from when on this instance believes what is active, the
 * claim's time, the claim, consumer, life of 'claimed' and of 'active' (ms), the successor's id.
 * Returns {2, now, id of the entry} where it is claimed; an owner that comes twice gets it twice, whoever
 * has the lock by then.
 *
 * XADD comes first: where Redis is out of memory the script ends there, with nothing done. The group delivers the entry
 * to its instance at once, for it writes it from its own memory; so what a dead one leaves behind is pending, not new.
 */
export const CLAIM_LUA = forEach(
  6,
  10,
  NOW + DISOWN,
  `
local state = redis.call('GET', KEYS[2])
local claimed = 'c' .. ARGV[5] .. ':' .. ARGV[10] .. ':' .. ARGV[1]
if state == claimed then return {2, now, ''} end
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return {0, now} end
local doubt = redis.call('GET', KEYS[3])
local made = tonumber(state and string.match(state, '^a%d*:(%d+)$') or 0)
if made > tonumber(ARGV[4]) and made > tonumber(redis.call('GET', KEYS[6]) or 0)
   and not doubt and now < tonumber(ARGV[3]) then
  if redis.call('EXISTS', KEYS[5]) == 0 then
    redis.call('XGROUP', 'CREATE', KEYS[5], 'writers', '0', 'MKSTREAM')
  end
  local id = redis.call('XADD', KEYS[5], '*', 'claim', ARGV[6])
  redis.call('XREADGROUP', 'GROUP', 'writers', ARGV[7], 'COUNT', '1', 'STREAMS', KEYS[5], '>')
  redis.call('SET', KEYS[2], claimed, 'PX', ARGV[8])
  redis.call('SET', KEYS[4], 'a:' .. ARGV[5], 'NX', 'PX', ARGV[9])
  return {2, now, id}
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
disown(KEYS[2], state)
return {1, now, state, doubt}`,
);

/**
 * Takes over entries that nobody has got, and those that their instance has left for too long.
 * KEYS: outbox. ARGV: consumer, how long they were left (ms), how many. Returns {entries, now, entries}.
 */
export const TAKE_OVER_LUA = `${NOW}
if redis.call('EXISTS', KEYS[1]) == 0 then return {{}, now} end
redis.pcall('XGROUP', 'CREATE', KEYS[1], 'writers', '0')
local fresh = redis.call('XREADGROUP', 'GROUP', 'writers', ARGV[1], 'COUNT', ARGV[3], 'STREAMS', KEYS[1], '>')
local left = redis.call('XAUTOCLAIM', KEYS[1], 'writers', ARGV[1], ARGV[2], '0-0', 'COUNT', ARGV[3])
return {fresh and fresh[1][2] or {}, now, left[2]}`;

/**
 * The rows of these entries are written: the entries go, and their tokens are spent.
 * KEYS: outbox, tokens. ARGV: life of 'spent' (ms), ids of the entries.
 */
export const SETTLE_LUA = `
if #ARGV > 1 then
  redis.call('XACK', KEYS[1], 'writers', unpack(ARGV, 2))
  redis.call('XDEL', KEYS[1], unpack(ARGV, 2))
end
for n = 2, #KEYS do redis.call('SET', KEYS[n], 's', 'PX', ARGV[1]) end
return 1`;

/**
 * Lets nothing that was active before a time be claimed here, and returns what was claimed and isn't written.
 * KEYS: since, outbox. ARGV: the time, the mark's life (ms), the first entry's id, how many.
 */
export const CLOSE_LUA = `
if tonumber(redis.call('GET', KEYS[1]) or 0) < tonumber(ARGV[1]) then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
return redis.call('XRANGE', KEYS[2], ARGV[3], '+', 'COUNT', ARGV[4])`;

/** The consumer is gone for good and owes nothing; one that still owes stays, for its entries are found by it. KEYS: outbox. ARGV: consumer. */
export const LEAVE_LUA = `
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
if #redis.call('XPENDING', KEYS[1], 'writers', '-', '+', '1', ARGV[1]) > 0 then return 0 end
return redis.call('XGROUP', 'DELCONSUMER', KEYS[1], 'writers', ARGV[1])`;

/**
 * Does all that the other scripts do, on keys of its own, so that a right that is missing is found at the start. It names
 * the command that is refused: Redis 7.0 says no more than that there is one.
 * KEYS: a text, a stream.
 */
export const PROBE_LUA = `
local id
local function step(command, ...)
  local reply = redis.pcall(command, ...)
  if type(reply) == 'table' and reply.err then return command .. ': ' .. reply.err end
  if command == 'XADD' then id = reply end
end
local refusal = step('TIME')
  or step('SET', KEYS[1], '1', 'PX', 1000)
  or step('EXISTS', KEYS[1])
  or step('GET', KEYS[1])
  or step('DEL', KEYS[1])
  or step('DEL', KEYS[2])
  or step('XGROUP', 'CREATE', KEYS[2], 'writers', '0', 'MKSTREAM')
  or step('XADD', KEYS[2], '*', 'claim', '')
  or step('XREADGROUP', 'GROUP', 'writers', 'probe', 'COUNT', '1', 'STREAMS', KEYS[2], '>')
  or step('XAUTOCLAIM', KEYS[2], 'writers', 'probe', 0, '0-0', 'COUNT', 1)
  or step('XPENDING', KEYS[2], 'writers', '-', '+', '1', 'probe')
  or step('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)
  or step('XACK', KEYS[2], 'writers', id)
  or step('XDEL', KEYS[2], id)
  or step('XGROUP', 'DELCONSUMER', KEYS[2], 'writers', 'probe')
  or step('DEL', KEYS[2])
if refusal then return redis.error_reply(refusal) end
return 1`;

/** Whose these keys are: the first to say so, until somebody empties this Redis. KEYS: owner. ARGV: who asks. */
export const OWN_LUA = `
local owner = redis.call('GET', KEYS[1])
if owner then return owner end
redis.call('SET', KEYS[1], ARGV[1])
return ARGV[1]`;
