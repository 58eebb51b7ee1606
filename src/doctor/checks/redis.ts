import { cannotTell, fault, warning, type Check } from '../check.js';

export const REDIS_CHECKS: readonly Check[] = [
  {
    id: 'redis',
    title: 'Redis answers',
    judge({ redis }) {
      if (redis === undefined) return 'unused';
      if (redis.kind === 'reached') return [];
      if (redis.kind === 'refused')
        return [
          fault(redis.message, 'Do what it says: until then `serve` does not start with this --redis-url.'),
        ];
      return [
        fault(
          `The Redis of --redis-url does not answer (${redis.code}).`,
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
];
