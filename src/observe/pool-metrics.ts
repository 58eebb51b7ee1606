import { Gauge, Histogram, type Registry } from 'prom-client';

export interface PoolMetrics {
  /** A statement asks for a connection of a pool that is full or not; what is returned is called when it waits no more. */
  readonly onWaiting: (full: boolean) => () => void;
  /** Where to look how the pool is used. */
  watch(size: number, look: () => PoolUsage): void;
}

export interface PoolUsage {
  readonly open: number;
  readonly idle: number;
  readonly waiting: number;
  /** Backends that run a statement which was given up. */
  readonly inDoubt: number;
}

/** The target of a refresh is 30 ms; whoever finds no connection gives up after 3 s. */
const WAIT_BUCKETS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/** Of several processes they add up: the pools are as one. */
export function poolMetrics(registry: Registry): PoolMetrics {
  let watched = { size: 0, look: (): PoolUsage => ({ open: 0, idle: 0, waiting: 0, inDoubt: 0 }) };
  gauge('carelink_db_pool_size', 'Connections to the database at most.', () => watched.size);
  gauge('carelink_db_pool_open', 'Connections to the database that are open.', () => watched.look().open);
  gauge('carelink_db_pool_idle', 'Those of them that nobody uses.', () => watched.look().idle);
  gauge('carelink_db_pool_waiting', 'Statements that wait for a connection.', () => watched.look().waiting);
  gauge(
    'carelink_db_backends_in_doubt',
    'Backends that still run a statement of ours which was given up; they count as connections.',
    () => watched.look().inDoubt,
  );
  const waits = new Histogram({
    name: 'carelink_db_pool_wait_seconds',
    help: 'How long statements waited for a connection of a pool that was full; 0 where it was not.',
    buckets: WAIT_BUCKETS,
    registers: [registry],
  });
  return {
    onWaiting(full) {
      if (full) return waits.startTimer();
      waits.observe(0);
      return () => undefined;
    },
    watch: (size, look) => (watched = { size, look }),
  };

  function gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(read());
      },
    });
  }
}
