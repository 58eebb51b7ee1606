import { expect, it } from 'vitest';
import { judgeRun, type GeneratorHealth, type RunFacts } from '../../../src/bench/health.js';

const FACTS: RunFacts = {
  mode: 'open',
  local: true,
  requestsPerSecond: 1_000,
  nullPerSecond: 20_000,
  offered: 10_000,
  sent: 10_000,
  sendLagP99Ms: 1,
  latencyP50Ms: 8,
  latencyP99Ms: 20,
  interrupted: false,
  rotatedByServer: 10_000,
  successes: 10_000,
  serverCpuShare: undefined,
};

const HEALTHY: GeneratorHealth = {
  cpuShare: 0.5,
  machineBusyShare: 0.6,
  cores: 2,
  loopDelayP99Ms: 2,
  loopDelayMaxMs: 9,
};

it('finds nothing in a sound run', () => {
  expect(judgeRun(FACTS, HEALTHY)).toEqual([]);
});

it.each([
  ['interrupted', 'all', { interrupted: true }, {}],
  ['rate_not_reached', 'all', { sent: 9_799 }, {}],
  ['not_conserved', 'all', { rotatedByServer: 9_899 }, {}],
  ['others_too', 'nothing', { rotatedByServer: 10_101 }, {}],
  ['generator_limit', 'latency', { requestsPerSecond: 16_001 }, {}],
  ['machine_uneven', 'server_time', { requestsPerSecond: 20_001 }, {}],
  ['machine_uneven', 'latency', { requestsPerSecond: 20_001, local: false }, {}],
  ['generator_busy', 'latency', { mode: 'closed' }, { cpuShare: 0.96 }],
  ['loop_late', 'latency', {}, { loopDelayP99Ms: 20.1 }],
  ['sent_late', 'latency', { sendLagP99Ms: 5.1 }, {}],
  ['shared_cpu', 'server_time', {}, { machineBusyShare: 0.96 }],
  ['shared_cpu', 'server_time', { serverCpuShare: 1.2 }, { machineBusyShare: 0.99, cpuShare: 0.1 }],
] as const)('finds %s, which spoils %s', (code, spoils, facts, health) => {
  const findings = judgeRun({ ...FACTS, ...facts }, { ...HEALTHY, ...health });
  expect(findings).toEqual([{ code, spoils, sentence: expect.stringMatching(/^[A-Z].*\.$/) }]);
});

it.each([
  ['an open loop that spins', {}, { cpuShare: 1 }],
  ['a rate that nobody offered', { mode: 'closed', offered: 0, sent: 5_000 }, {}],
  [
    'lateness that is small beside what was measured',
    { latencyP99Ms: 400, sendLagP99Ms: 90 },
    { loopDelayP99Ms: 90 },
  ],
  ['a busy machine that the server is not on', { local: false }, { machineBusyShare: 1 }],
  [
    'a server that has the busy machine for itself',
    { serverCpuShare: 1.8 },
    { machineBusyShare: 0.99, cpuShare: 0.1 },
  ],
  ['a server that tells no count', { rotatedByServer: undefined }, {}],
] as const)('does not hold against a run %s', (_, facts, health) => {
  expect(judgeRun({ ...FACTS, ...facts }, { ...HEALTHY, ...health })).toEqual([]);
});
