import { readIdentity, type Identity } from '../../store/identity.js';
import { cannotTell, fault, ofQuery, warning, type Check } from '../check.js';

/** Two systems in one Redis write each other's rotations into the wrong tables; `serve` does not start there. */
const OWNER = ofQuery<Identity>(
  'redis_owner',
  "Redis is this system's own",
  readIdentity,
  (identity, { facts }, { redis }) => {
    if (redis?.kind !== 'reached') return cannotTell('Redis does not answer');
    if (redis.owner === undefined) return [];
    if (identity.kind !== 'known')
      return cannotTell(`this role may not read ${facts.own}.identity, or it is not there`);
    if (redis.owner === identity.id) return [];
    return [
      fault(
        redis.ownedBy(identity.id),
        'Do what it says: until then `serve` does not start with this --redis-url.',
      ),
    ];
  },
);

export const REDIS_CHECKS: readonly Check[] = [
  {
    id: 'redis',
    title: 'Redis answers',
    judge({ redis }) {
      if (redis === undefined) return 'unused';
      if (redis.kind === 'reached') {
        if (redis.obstacle === undefined) return [];
        return [
          fault(
            `The Redis of --redis-url can't be worked with: ${redis.obstacle}.`,
            'Until then refreshes go on as if there were none, and instances do not know of each other.',
          ),
        ];
      }
      if (redis.kind === 'refused')
        return [
          fault(redis.message, 'Do what it says: until then `serve` does not start with this --redis-url.'),
        ];
      return [
        fault(
          `The Redis of --redis-url at ${redis.place} does not answer ${redis.why}.`,
          'Start it, or correct --redis-url. Refreshes go on without it, but instances no longer know of each other.',
        ),
      ];
    },
  },
  {
    id: 'redis_eviction',
    title: 'Redis keeps what it is given',
    judge({ redis }) {
      if (redis === undefined) return 'unused';
      if (redis.kind !== 'reached') return cannotTell('Redis does not answer');
      if (redis.maxmemory === 0) return [];
      const { maxmemoryPolicy: policy } = redis;
      const mend =
        'CONFIG SET maxmemory-policy noeviction, and write it into redis.conf; give it memory enough.';
      if (policy.startsWith('allkeys')) {
        return [fault(`Redis evicts any key when its memory is full (maxmemory-policy ${policy}).`, mend)];
      }
      if (policy.startsWith('volatile')) {
        return [
          warning(
            `Redis evicts keys before their time when its memory is full (maxmemory-policy ${policy}).`,
            mend,
          ),
        ];
      }
      return [];
    },
  },
  { ...OWNER, judge: (evidence) => (evidence.redis === undefined ? 'unused' : OWNER.judge(evidence)) },
];
