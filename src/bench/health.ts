import { monitorEventLoopDelay } from 'node:perf_hooks';
import { cpus } from 'node:os';

/** How the generator and its machine did while it measured. */
export interface GeneratorHealth {
  /** Of one core. */
  readonly cpuShare: number;
  /** Of all cores, by whoever. */
  readonly machineBusyShare: number;
  readonly cores: number;
  readonly loopDelayP99Ms: number;
  readonly loopDelayMaxMs: number;
}

const RESOLUTION_MS = 10;

/** Begins to watch; the returned function ends it and tells. */
export function watchGenerator(): () => GeneratorHealth {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  const cpuBefore = process.cpuUsage();
  const [busyBefore, allBefore] = machineTimes();
  const startedMs = performance.now();
  return () => {
    delay.disable();
    const { user, system } = process.cpuUsage(cpuBefore);
    const [busy, all] = machineTimes();
    // The monitor's values hold its own interval.
    const late = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS);
    return {
      cpuShare: (user + system) / 1_000 / (performance.now() - startedMs),
      cores: cpus().length,
      machineBusyShare: all === allBefore ? 0 : (busy - busyBefore) / (all - allBefore),
      loopDelayP99Ms: late(delay.percentile(99)),
      loopDelayMaxMs: late(delay.max),
    };
  };
}

function machineTimes(): readonly [busy: number, all: number] {
  let [busy, all] = [0, 0];
  for (const { times } of cpus()) {
    const sum = times.user + times.nice + times.sys + times.idle + times.irq;
    all += sum;
    busy += sum - times.idle;
  }
  return [busy, all];
}

/** What of a latency may be the generator's own lateness, at most: when it sends, and when it reads the answer. */
export function generatorMs({ loopDelayP99Ms }: GeneratorHealth, sendLagP99Ms: number): number {
  return 2 * loopDelayP99Ms + sendLagP99Ms;
}

export interface RunFacts {
  readonly mode: 'closed' | 'open';
  /** The target is on this machine. */
  readonly local: boolean;
  readonly requestsPerSecond: number;
  /** Against the null server. */
  readonly nullPerSecond: number;
  /** Open loop: arrivals that were due, and those that were sent. */
  readonly offered: number;
  readonly sent: number;
  readonly sendLagP99Ms: number;
  readonly latencyP50Ms: number;
  readonly latencyP99Ms: number;
  readonly interrupted: boolean;
  /** What the server says it rotated; undefined: it doesn't tell. */
  readonly rotatedByServer: number | undefined;
  readonly successes: number;
  /** Of one core, what the server that was measured had; undefined: not known, or more processes than one. */
  readonly serverCpuShare: number | undefined;
}

/**
 * What spoils a run. `all`: nothing it says can be trusted. `latency`: latencies may be too long, so that a pass is one
 * all the more, and a fail may be the generator's fault. `server_time`: the server's own time may be too long as well.
 * `nothing`: worth knowing.
 */
export interface Finding {
  readonly spoils: 'all' | 'latency' | 'server_time' | 'nothing';
  readonly code: string;
  readonly sentence: string;
}

/** Near its own limit a generator waits for itself. */
const MAX_OF_NULL_RATE = 0.8;
/** More than against a server that does nothing can't be: the machine was slower then than it was during the run. */
const IMPOSSIBLE_OF_NULL_RATE = 1;
const MIN_OF_OFFERED = 0.98;
/** A core has no queue before it while it is busy less than this. */
const MAX_CPU_SHARE = 0.95;
const MAX_MACHINE_BUSY = 0.95;
/** Of a core: less than this is nothing that a server misses. */
const MIN_SHARE_TAKEN = 0.2;
/** A late loop adds to a latency what it is late: this much may be a quarter of what is told, and 20 ms in any case. */
const MAX_LATE_OF_P99 = 0.25;
const MAX_LOOP_DELAY_MS = 20;
export const MAX_SEND_LAG_MS = 5;
/** Requests that end in a moment that only one side counts. */
const CONSERVATION_SHARE = 0.01;

/** Judges a run's validity. Pure. */
export function judgeRun(facts: RunFacts, health: GeneratorHealth): Finding[] {
  const findings: Finding[] = [];
  const add = (spoils: Finding['spoils'], code: string, sentence: string): void => {
    findings.push({ spoils, code, sentence });
  };
  const percent = (share: number): string => `${(share * 100).toFixed(0)} %`;
  if (facts.interrupted)
    add('all', 'interrupted', 'The run was interrupted: what it measured until then is shown.');
  if (facts.mode === 'open' && facts.sent < MIN_OF_OFFERED * facts.offered) {
    add(
      'all',
      'rate_not_reached',
      `Only ${percent(facts.sent / facts.offered)} of the offered requests were sent: ask for a lower --rate, or give more --users.`,
    );
  }
  if (facts.rotatedByServer !== undefined) {
    const missing = facts.successes - facts.rotatedByServer;
    if (missing > CONSERVATION_SHARE * facts.successes) {
      add(
        'all',
        'not_conserved',
        `This run was answered ${facts.successes} rotations, and --admin-url counted ${facts.rotatedByServer}: it isn't (all of) the server that was loaded.`,
      );
    } else if (-missing > CONSERVATION_SHARE * facts.successes) {
      add(
        'nothing',
        'others_too',
        `The server rotated ${-missing} more tokens than this run: others were refreshing, too.`,
      );
    }
  }
  if (facts.requestsPerSecond > IMPOSSIBLE_OF_NULL_RATE * facts.nullPerSecond) {
    add(
      facts.local ? 'server_time' : 'latency',
      'machine_uneven',
      `The generator sent ${facts.requestsPerSecond.toFixed(0)} requests/s, and before the run only ${facts.nullPerSecond.toFixed(0)}/s to a server that does nothing: other work slows this machine now and then.`,
    );
  } else if (facts.requestsPerSecond > MAX_OF_NULL_RATE * facts.nullPerSecond) {
    add(
      'latency',
      'generator_limit',
      `The generator sent ${percent(facts.requestsPerSecond / facts.nullPerSecond)} of what it can send at all (${facts.nullPerSecond.toFixed(0)}/s): it may have been slower than the server.`,
    );
  }
  // In an open loop it spins to keep its times: whether it keeps them is asked below.
  if (facts.mode === 'closed' && health.cpuShare > MAX_CPU_SHARE) {
    add(
      'latency',
      'generator_busy',
      `The generator was busy ${percent(health.cpuShare)} of a core: latencies hold waiting for it.`,
    );
  }
  if (health.loopDelayP99Ms > Math.max(MAX_LOOP_DELAY_MS, MAX_LATE_OF_P99 * facts.latencyP99Ms)) {
    add(
      'latency',
      'loop_late',
      `The generator's event loop was ${health.loopDelayP99Ms.toFixed(1)} ms late at p99.`,
    );
  }
  if (
    facts.mode === 'open' &&
    facts.sendLagP99Ms > Math.max(MAX_SEND_LAG_MS, MAX_LATE_OF_P99 * facts.latencyP99Ms)
  ) {
    add(
      'latency',
      'sent_late',
      `Requests were sent ${facts.sendLagP99Ms.toFixed(1)} ms late at p99, though sessions were free.`,
    );
  }
  const taken = takenFromServer(facts, health);
  if (facts.local && health.machineBusyShare > MAX_MACHINE_BUSY && taken > MIN_SHARE_TAKEN) {
    add(
      'server_time',
      'shared_cpu',
      `The machine gave way: it was ${percent(health.machineBusyShare)} busy, and others than the measured server took ${taken.toFixed(1)} of its ${health.cores} cores (the generator ${health.cpuShare.toFixed(1)}).`,
    );
  }
  return findings;
}

/** Cores that the generator and whatever else runs here took; at least the generator's own. */
function takenFromServer({ serverCpuShare }: RunFacts, health: GeneratorHealth): number {
  if (serverCpuShare === undefined) return health.cpuShare;
  return Math.max(health.cpuShare, health.machineBusyShare * health.cores - serverCpuShare);
}
