import { defineConfig } from 'vitest/config';

const LONG = 'test/**/*.long.test.ts';
/** What is killed and raced, in its short form: `npm run test:chaos`. */
const CHAOS = 'test/chaos/**/*.test.ts';
/** They hold on to nothing that another file could meet, so that they share their processes and what is loaded there. */
const PURE = 'test/unit/**/*.test.ts';

const shared = {
  // A bound against hanging only; no test measures time with it.
  testTimeout: 180_000,
  hookTimeout: 120_000,
  pool: 'forks',
} as const;

export default defineConfig({
  test: {
    globalSetup: ['test/support/global-setup.ts'],
    // One more than the two cores: much of a test is waiting for a Django or a database to start. A fourth gains nothing.
    maxWorkers: 3,
    passWithNoTests: false,
    projects: [
      { test: { ...shared, name: 'unit', include: [PURE], isolate: false } },
      { test: { ...shared, name: 'system', isolate: false, include: ['test/**/*.test.ts'], exclude: [PURE, CHAOS, LONG] } },
      { test: { ...shared, name: 'chaos', include: [CHAOS], exclude: [LONG] } },
    ],
  },
});
