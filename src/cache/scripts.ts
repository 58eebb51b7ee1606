/**
 * The scripts are atomic, and all keys of one lie in one slot. They are text in the code, so that the package needs
 * no files beside it.
 */

/**
 * Takes the lock and reads what is known.
 * KEYS: lock, token, doubt. ARGV: owner, the lock's life (ms). Returns {1, hint, doubt} or {0}.
 * An owner that has the lock already is the same request, sent twice by a reconnect.
 */
export const BEGIN_LUA = `
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) and redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return {0}
end
return {1, redis.call('GET', KEYS[2]), redis.call('GET', KEYS[3])}`;

/**
 * Records what came of it and gives the lock back, if it is still this owner's.
 * KEYS: lock, spent token, its doubt, successor. ARGV: owner, '1' where something was learned, life of 'spent' (ms),
 * row id of the successor or '', life of 'active' (ms).
 * 'active' is written with NX: a script that comes late must not call live what was spent since.
 */
export const FINISH_LUA = `
if ARGV[2] == '1' then
  redis.call('SET', KEYS[2], 's', 'PX', ARGV[3])
  redis.call('DEL', KEYS[3])
  if ARGV[4] ~= '' then redis.call('SET', KEYS[4], 'a' .. ARGV[4], 'NX', 'PX', ARGV[5]) end
end
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1`;
